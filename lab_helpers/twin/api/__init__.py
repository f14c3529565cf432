"""The twin's Kubernetes API server: REST, watch, patches, schemas, exec, logs and port-forward over the registry.

``build_app`` makes the application, ``serve`` runs it over TLS in the running loop; ``certificates`` and
``kubeconfigs`` make what a client needs. Import them from their modules where start-up time matters.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_helpers.twin.api.app import VERSION, build_app
    from lab_helpers.twin.api.serving import serve

__all__ = ["VERSION", "build_app", "serve"]


def __getattr__(name: str) -> Any:
    """Import the server only for whoever asks for it: admission and certificates are of use without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{'serving' if name == 'serve' else 'app'}"), name)
