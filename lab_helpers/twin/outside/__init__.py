"""The "internet" of the twin: names, addresses and servers outside the cluster.

``names`` is the value, read from a small data file; ``hosts`` serves it inside the twin.
"""
