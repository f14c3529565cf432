"""A thin Kubernetes REST client for the bundled tools: TLS, kubeconfig, watch, WebSocket, quick to import.

Use it like this::

    client = Client.load(Options(context="kind"))          # kubeconfig as kubectl finds it
    pods = client.get("/api/v1/namespaces/shop/pods", labelSelector="app=backend")
    client.post("/api/v1/namespaces", {"kind": "Namespace", ...})
    for kind, thing in client.watch("/api/v1/pods", resourceVersion="0"):   # ("ADDED", {...})
        ...
    catalogue = Catalogue(client)
    deployments = catalogue.find("deploy")                 # Resource(group="apps", plural="deployments", …)
    client.get(deployments.path("shop", "backend"))

Errors (texts are kubectl's; `kubectl_text(error)` gives the whole line)::

    RestError
    ├── ConfigError          kubeconfig missing, unreadable or contradictory
    ├── ConnectError         no answer: refused, name unknown, timeout, certificate not trusted
    │   └── RefusedError     nobody listens there
    ├── ApiError             the server answered with a Status (code, reason, message, details, causes)
    ├── NoResourceError      the server has no such resource type
    │   └── UnknownKindError an object's apiVersion and kind are no type of the server
    └── ChannelError         a WebSocket was refused or broke
"""

from lab_helpers.tools.rest.clients import Client, Options
from lab_helpers.tools.rest.discovery import Catalogue, Resource
from lab_helpers.tools.rest.errors import (
    ApiError,
    ChannelError,
    ConfigError,
    ConnectError,
    NoResourceError,
    RefusedError,
    RestError,
    UnknownKindError,
    kubectl_text,
)

__all__ = [
    "ApiError",
    "Catalogue",
    "ChannelError",
    "Client",
    "ConfigError",
    "ConnectError",
    "NoResourceError",
    "Options",
    "RefusedError",
    "Resource",
    "RestError",
    "UnknownKindError",
    "kubectl_text",
]
