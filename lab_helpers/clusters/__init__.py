"""Backends: where the cluster comes from. Above this package nobody knows which one it is."""
