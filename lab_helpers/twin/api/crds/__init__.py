"""CustomResourceDefinitions.

How they are accepted and served, how their objects are validated, and the cilium.io ones as data.
"""

from lab_helpers.twin.api.crds.cilium import cilium_crds

__all__ = ["cilium_crds"]
