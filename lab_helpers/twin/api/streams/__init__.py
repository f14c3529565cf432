"""Connections into containers: logs, exec and attach, port-forward, proxy."""
