"""The connectivity test: what is deployed, which tests there are, how they run, what is reported.

Names, order, labels and messages follow cilium-cli's connectivity folder; the tests here are those that can be
decided by
curl and ping between pods, the others are skipped by name.
"""
