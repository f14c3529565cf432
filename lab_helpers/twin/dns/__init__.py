"""Names: the stub resolver of simulated programs, CoreDNS, and the cluster's zone."""
