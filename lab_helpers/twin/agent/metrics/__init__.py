"""Prometheus metrics of the agent (``cilium_…``, port 9962) and of Hubble (``hubble_…``, port 9965).

Counting needs nothing but dictionaries; ``prometheus_client`` is imported by the first scrape.
"""
