"""JSON documents from the API server as they are, for readers of a few fields: the official library's classes for them
take a third of a second of computing to import.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.clusters.errors import ClusterError
from lab_helpers.clusters.upgrading import authorization

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["get_document", "version_by"]

_ABSENT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_PATIENCE: Final = 15.0
"""Seconds for one document."""


def get_document(api: ApiClient, path: str) -> dict[str, Any] | None:
    """A JSON document from the API server, None when it does not have it. Raises ClusterError ("the cluster
    refused" or "does not answer").

    By the connection pool of the official client: its own calls are one class per kind, and none for cilium.io.
    """
    from urllib3.exceptions import HTTPError

    configuration = api.configuration
    headers = {"accept": "application/json", **authorization(configuration)}
    url = f"{configuration.host}{path}"
    try:
        answer = api.rest_client.pool_manager.request("GET", url, headers=headers, retries=False, timeout=_PATIENCE)
    except HTTPError as error:
        reason = f"the cluster does not answer: {error}"
        raise ClusterError(reason, where=configuration.host, try_="cilium-labs status") from error
    if answer.status in _ABSENT:
        return None
    try:
        document = json.loads(answer.data)
    except ValueError:
        document = {}
    if answer.status != HTTPStatus.OK or not isinstance(document, dict):
        told = document.get("message") if isinstance(document, dict) else None
        raise ClusterError(f"the cluster refused: {told or answer.reason}", where=path, try_="cilium-labs status")
    return document


def version_by(api: ApiClient) -> str:
    """Cilium's version by the agents' image, such as ``1.20.2``; empty where it is not installed."""
    agents = get_document(api, "/apis/apps/v1/namespaces/kube-system/daemonsets/cilium")
    if agents is None:
        return ""
    image = str(agents["spec"]["template"]["spec"]["containers"][0]["image"])
    return image.partition("@")[0].rpartition(":")[2].removeprefix("v")
