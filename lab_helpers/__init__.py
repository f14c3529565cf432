"""Kubernetes networking with Cilium, learned in notebooks.

A lab needs one name from here: ``from lab_helpers import Lab``.
"""
