"""A cluster as labs, checks, views and the command line see it: Kubernetes REST and Hubble gRPC, nothing else.

Above this module nobody asks which backend it is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_helpers.clusters.errors import ClusterError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from lab_helpers.clusters.waiting import Waited
    from lab_helpers.hubble.client import HubbleClient

__all__ = ["Cluster"]

_PROXIES = tuple(spell(name) for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") for spell in (str, str.lower))


@dataclass(frozen=True)
class Cluster:
    """``backend`` is "twin", "kind" or "existing".

    ``hubble_address`` is empty where Relay is reached by a port-forward through the API server.
    """

    backend: str
    name: str
    state_dir: Path
    kubeconfig: Path
    context: str = ""
    bin_dir: Path | None = None
    hubble_address: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """What a shell, a kernel or a terminal needs so that kubectl, helm, cilium and hubble meet this cluster."""
        variables = {
            "KUBECONFIG": str(self.kubeconfig),
            "CILIUM_LABS_HOME": str(self.state_dir),
            "CILIUM_LABS_BACKEND": self.backend,
            # shell cells fork the kernel while gRPC's threads run in it
            "GRPC_ENABLE_FORK_SUPPORT": "false",
        }
        if self.facts.get("cilium_version"):
            variables["CILIUM_LABS_CILIUM_VERSION"] = str(self.facts["cilium_version"])
        if self.bin_dir is not None:
            folders = [
                str(self.bin_dir),
                *(f for f in os.environ.get("PATH", "").split(os.pathsep) if f != str(self.bin_dir)),
            ]
            variables["PATH"] = os.pathsep.join(folders)
        if self.hubble_address:
            variables["HUBBLE_SERVER"] = self.hubble_address
        else:
            # the hubble command forwards a port by itself, any that is free
            variables |= {"HUBBLE_PORT_FORWARD": "true", "HUBBLE_PORT_FORWARD_PORT": "0"}
        if self.backend == "twin" and any(os.environ.get(name) for name in _PROXIES):
            beside = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "", "127.0.0.1,localhost"]
            variables["NO_PROXY"] = variables["no_proxy"] = ",".join(part for part in beside if part)
        return variables

    def api(self) -> ApiClient:
        """A client of the official library, made for this cluster (not the global default)."""
        from kubernetes.config import ConfigException

        from lab_helpers.clusters.clients import client_of

        try:
            return client_of(self.kubeconfig, self.context)
        except ConfigException as error:
            raise ClusterError(
                f"the kubeconfig cannot be used: {error}", where=str(self.kubeconfig), try_="cilium-labs up"
            ) from error

    @contextlib.contextmanager
    def hubble(self) -> Iterator[HubbleClient]:
        """A client of Hubble Relay, closed at the end. Where Relay has no address, the API server forwards.

        Raises NotRunning when Relay cannot be reached.
        """
        from lab_helpers.hubble.calling import Channel
        from lab_helpers.hubble.client import HubbleClient

        if self.hubble_address:
            with HubbleClient(self.hubble_address) as client:
                yield client
            return
        from lab_helpers.clusters.relaying import dial_relay

        with self.api() as api, contextlib.closing(dial_relay(api)) as tunnel:
            unused = [tunnel]
            channel = Channel("hubble-relay:80", connect=lambda: unused.pop() if unused else dial_relay(api))
            with HubbleClient(channel=channel) as client:
                yield client

    def versions(self) -> Mapping[str, str]:
        """``kubernetes`` and, where it is installed, ``cilium``. Raises ClusterError when it does not answer."""
        from lab_helpers.clusters.documents import get_document, version_by

        with self.api() as api:
            found = {"kubernetes": str((get_document(api, "/version") or {}).get("gitVersion", ""))}
            if cilium := version_by(api):
                found["cilium"] = cilium
        return found

    def reachable(self) -> bool:
        """Does the API server answer?"""
        from kubernetes import client

        try:
            with self.api() as api:
                client.VersionApi(api).get_code(_request_timeout=3)
        except Exception:  # noqa: BLE001 - any reason means no
            return False
        return True

    def wait(
        self,
        seconds: float,
        *,
        progress: Callable[[float], None] = lambda _left: None,
        client: ApiClient | None = None,
    ) -> Waited:
        """Return when ``seconds`` of this cluster's time have passed: the twin's clock jumps, others are waited for
        (``progress`` is told the seconds left). ``client`` is one that ``api`` gave, for those who wait often.
        """
        from lab_helpers.clusters.waiting import wait

        return wait(self, seconds, progress=progress, client=client)

    def down(self) -> None:
        """Stop what was started for this cluster; state is kept."""
        if self.backend == "twin":
            from lab_helpers.clusters import twins
            from lab_helpers.clusters.homes import Home

            twins.stop(Home(self.state_dir))
