"""The kubeconfig of the twin: an ordinary one, with the CA inside and a bearer token."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from lab_helpers.twin.api.certificates import write_private

__all__ = ["kubeconfig", "write_kubeconfig"]


def kubeconfig(server: str, ca: bytes, token: str, *, name: str = "cilium-labs", namespace: str = "") -> dict[str, Any]:
    """The kubeconfig as data. ``server`` is a URL, ``ca`` PEM; ``name`` names cluster, user and context."""
    context: dict[str, Any] = {"cluster": name, "user": name}
    if namespace:
        context["namespace"] = namespace
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()},
            }
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
        "preferences": {},
    }


def write_kubeconfig(path: Path, server: str, ca: Path, token: str, *, name: str = "cilium-labs") -> None:
    """Write it for the owner only. It is JSON, which every YAML reader takes."""
    text = json.dumps(kubeconfig(server, ca.read_bytes(), token, name=name), indent=2) + "\n"
    write_private(path, text.encode())
