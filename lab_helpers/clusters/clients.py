"""A client of the official library that leaves no connection behind."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_kube_config

__all__ = ["Client", "client_of"]


class Client(ApiClient):  # type: ignore[misc]  # the library has no types
    """``ApiClient`` whose ``close`` closes its connections too, where the library's leaves them to the collector."""

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        super().close()
        self.rest_client.pool_manager.clear()


def client_of(kubeconfig: Path, context: str = "") -> Client:
    """A client for one context (the current one by default), not the global default.

    Raises kubernetes.config.ConfigException when the kubeconfig cannot be used.
    """
    configuration = Configuration()
    load_kube_config(config_file=str(kubeconfig), context=context or None, client_configuration=configuration)
    if _loopback(urlsplit(configuration.host).hostname or ""):
        configuration.proxy = None  # no proxy reaches what only this machine can; Go's tools never ask one for it
    return Client(configuration)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
