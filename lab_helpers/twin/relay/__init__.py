"""Hubble Relay: one gRPC server over the rings of all nodes, there while a hubble-relay pod runs."""
