"""Pages of ``kubectl describe``: one function for each kind, and a general one for all others.

Follows k8s.io/kubectl pkg/describe.
"""
