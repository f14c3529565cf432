"""The twin: an embedded cluster, one asyncio process that speaks the real Kubernetes REST and Hubble gRPC protocols."""
