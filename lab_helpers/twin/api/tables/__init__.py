"""Tables (``as=Table;v=v1;g=meta.k8s.io``).

What ``kubectl get`` prints, computed by the server (Kubernetes pkg/printers).
"""

from lab_helpers.twin.api.tables.rendering import render_table

__all__ = ["render_table"]
