"""Messages to and from JSON as Go's protojson does it for Hubble: one import for both directions."""

from lab_helpers.hubble.jsonreading import documents, loads
from lab_helpers.hubble.jsonwriting import dumps, go_float, quote

__all__ = ["documents", "dumps", "go_float", "loads", "quote"]
