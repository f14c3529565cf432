"""What ``kubectl create KIND`` makes of flags (kubectl pkg/cmd/create), a module for each family of kinds."""
