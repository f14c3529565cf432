"""The cilium-labs command."""
