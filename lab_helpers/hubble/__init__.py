"""Hubble: wire-compatible messages, filters, the printer and a client. Used on both sides of the wire."""
