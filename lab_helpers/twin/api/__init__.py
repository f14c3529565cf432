"""The twin's Kubernetes API server: REST, watch, patches, schemas, exec, logs and port-forward over the registry.

``build_app`` makes the application, ``serve`` runs it over TLS in the running loop; ``certificates`` and
``kubeconfigs`` make what a client needs. Import them from their modules where start-up time matters.
"""

from lab_helpers.twin.api.app import VERSION, build_app
from lab_helpers.twin.api.serving import serve

__all__ = ["VERSION", "build_app", "serve"]
