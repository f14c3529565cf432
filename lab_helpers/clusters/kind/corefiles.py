"""What the cluster and the outside tell each other: where its names are, who signs for them, which ones a learner adds.

Names are stub zones between two marks in CoreDNS's Corefile.

As everywhere in the Corefile kubeadm writes, answers are cached for 30 seconds at most and never longer than their TTL,
and their order is shuffled: what a pod sees is what it sees on the twin.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from lab_helpers.clusters.kind.errors import KindError
from lab_helpers.twin.outside.names import CONFIG_MAP, Internet, OutsideError, parse_internet

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["AUTHORITY", "added_names", "apply_zones", "publish", "with_zones"]

AUTHORITY: Final = "cilium-labs-outside"
"""ConfigMap in kube-system with the certificate that pods must trust to speak TLS with the outside (key ca.crt)."""

_BEGIN: Final = "# cilium-labs outside: begin"
_END: Final = "# cilium-labs outside: end"
_BLOCK: Final = re.compile(rf"{re.escape(_BEGIN)}\n.*?{re.escape(_END)}\n", re.DOTALL)
_ZONE: Final = """{zone}:53 {{
    errors
    cache 30
    loadbalance
    forward . {address}
}}
"""


def with_zones(corefile: str, zones: Iterable[str], address: str) -> str:
    """The Corefile with stub zones for ``address``, in place of those from before; no zones take them away."""
    rest = _BLOCK.sub("", corefile)
    blocks = "".join(_ZONE.format(zone=zone, address=address) for zone in zones)
    if not blocks:
        return rest
    return f"{rest.rstrip()}\n{_BEGIN}\n{blocks}{_END}\n"


def apply_zones(api: ApiClient, zones: Iterable[str], address: str) -> bool:
    """Put the zones into the cluster's CoreDNS; False when they were there. Raises KindError.

    Pods that run already are replaced, so that the change holds at once instead of after the reload's minute or two.
    """
    from kubernetes import client

    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    try:
        found = core.read_namespaced_config_map("coredns", "kube-system")
        before = str((found.data or {}).get("Corefile", ""))
        after = with_zones(before, zones, address)
        if before == after:
            return False
        core.patch_namespaced_config_map("coredns", "kube-system", {"data": {"Corefile": after}})
        deployment = apps.read_namespaced_deployment("coredns", "kube-system")
        if deployment.status and deployment.status.ready_replicas:
            stamp = {"kubectl.kubernetes.io/restartedAt": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
            change = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
            apps.patch_namespaced_deployment("coredns", "kube-system", change)
    except client.ApiException as error:
        raise KindError(
            f"CoreDNS cannot be told about the outside: {error.status} {error.reason}",
            where="ConfigMap kube-system/coredns",
            try_="cilium-labs up --backend kind goes on from here",
        ) from error
    return True


def publish(api: ApiClient, authority: str) -> None:
    """Store the authority's certificate for pods that speak TLS with the outside. Raises KindError."""
    from kubernetes import client

    core = client.CoreV1Api(api)
    body = {"metadata": {"name": AUTHORITY, "namespace": "kube-system"}, "data": {"ca.crt": authority}}
    try:
        try:
            core.patch_namespaced_config_map(AUTHORITY, "kube-system", body)
        except client.ApiException as error:
            if error.status != 404:
                raise
            core.create_namespaced_config_map("kube-system", body)
    except client.ApiException as error:
        raise KindError(
            f"the outside's certificate cannot be stored: {error.status} {error.reason}",
            where=f"ConfigMap kube-system/{AUTHORITY}",
            try_="cilium-labs up --backend kind goes on from here",
        ) from error


def added_names(api: ApiClient) -> tuple[Internet, str]:
    """A learner's names, from the ConfigMap that the twin follows too, and what is wrong with them.

    A broken addition is left out as a whole, as on the twin. Raises KindError.
    """
    from kubernetes import client

    namespace, name = CONFIG_MAP
    added = Internet()
    try:
        found = client.CoreV1Api(api).read_namespaced_config_map(name, namespace)
    except client.ApiException as error:
        if error.status == 404:
            return added, ""
        raise KindError(
            f"the learner's names cannot be read: {error.status} {error.reason}",
            where=f"ConfigMap {namespace}/{name}",
            try_="cilium-labs up --backend kind goes on from here",
        ) from error
    try:
        for text in (found.data or {}).values():
            added = added.merged(parse_internet(text))
    except OutsideError as error:
        return Internet(), f"ConfigMap {namespace}/{name} is left out: {error}"
    return added, ""
