"""Kubernetes objects in the twin.

Kinds, storage with resource versions and watch history, and the rules of the API server's registry.
"""
