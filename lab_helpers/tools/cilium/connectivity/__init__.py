"""The connectivity test: what is deployed, which tests there are, how they run, what Hubble shows, what is reported.

Names, order, labels and messages follow cilium-cli's connectivity folder; the tests here are those that curl and ping
between pods, nodes and the outside decide, the others are skipped by name with the reason.
"""
