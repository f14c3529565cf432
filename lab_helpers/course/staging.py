"""Bringing the cluster to the start of a lab: without Cilium, with Cilium, with the shop.

Each stage includes the one before and is reached through the public API and the tools a learner uses. Everything is
idempotent, and total: what the course does not know goes away from its namespaces, changed objects get their form back.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from lab_helpers.course import shopping, trusting
from lab_helpers.course.api import Api, Resource
from lab_helpers.course.errors import ApiError, StageError
from lab_helpers.course.records import Applied
from lab_helpers.course.tasks import Stage
from lab_helpers.course.tooling import Tools
from lab_helpers.course.workloads import is_ready
from lab_helpers.releases import CILIUM_VERSION

__all__ = ["CHART_VALUES", "CILIUM_VERSION", "REPOSITORY", "Stager", "Waiting"]

REPOSITORY: Final = "https://helm.cilium.io/"
CHART_VALUES: Final = (
    ("kubeProxyReplacement", "true"),
    ("operator.replicas", "1"),
    ("hubble.relay.enabled", "true"),
    ("hubble.ui.enabled", "true"),
)
"""What labs after the installation expect; the API server's address comes from the cluster."""

_NAME_OPTIONS: Final = {
    "tofqdns-min-ttl": "0",
    "tofqdns-endpoint-max-ip-per-hostname": "1000",
    "tofqdns-idle-connection-grace-period": "0s",
}
"""Options that a lab changes in the ConfigMap itself, past the chart, and what stands there (or nothing) at a start."""

_CLEANED: Final = (
    "CiliumNetworkPolicy",
    "NetworkPolicy",
    "Deployment",
    "DaemonSet",
    "StatefulSet",
    "Job",
    "Service",
    "ConfigMap",
    "Pod",
)
_KEPT: Final = {("ConfigMap", "kube-root-ca.crt")}
_OWN_NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"

Say = Callable[[str], None]


_PATIENCE: Final = 60.0
"""Seconds that a cluster whose time is moved gets for its own work: a slow machine has only so many."""


class Waiting:
    """Waits for conditions; the pauses grow from 20 ms to one second. ``sleep`` lets so many seconds of the cluster's
    time pass.
    """

    def __init__(self, say: Say, sleep: Callable[[float], object] = time.sleep) -> None:
        self._say = say
        self._sleep = sleep

    def until(self, what: str, ready: Callable[[], str], *, seconds: float = 300.0, try_: str = "") -> None:
        """Call ``ready`` until it returns an empty text: it returns what is still missing. Raises StageError."""
        began = time.monotonic()
        pause, passed, said = 0.02, 0.0, ""
        while missing := ready():
            spent = time.monotonic() - began
            if spent > seconds or (passed > seconds and spent > _PATIENCE):
                raise StageError(f"waited {seconds:.0f} s for {what}: {missing}", try_=try_ or "lab.reset()")
            if missing != said:
                self._say(f"waiting for {what}: {missing}")
                said = missing
            self._sleep(pause)
            passed += pause
            pause = min(pause * 1.5, 1.0)


class Stager:
    """``own`` tells whether the cluster is the course's own: only then Cilium is installed, changed or removed.

    ``version`` is the Cilium that belongs there; ``needed`` says that nothing else will do (a lab about that version).
    ``parts`` are further parts of the story, applied with the shop. ``chart`` are helm's words for a chart that is
    here, for a room without internet; none for the one in Cilium's repository. ``sleep`` lets seconds of the cluster's
    time pass: where its clock can be moved, nobody waits for pods that have an initial delay to keep.
    """

    def __init__(
        self,
        api: Api,
        tools: Tools,
        *,
        own: bool,
        say: Say,
        version: str = CILIUM_VERSION,
        needed: bool = False,
        parts: Sequence[str] = (),
        chart: Sequence[str] = (),
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._api = api
        self._tools = tools
        self._own = own
        self._say = say
        self._version = version
        self._needed = needed
        self._parts = tuple(parts)
        self._chart = tuple(chart)
        self._waiting = Waiting(say, sleep)

    def identity(self) -> str:
        """A name of this incarnation of the cluster: the uid of kube-system."""
        namespace = self._api.get("Namespace", "kube-system")
        return str(namespace["metadata"]["uid"]) if namespace else ""

    def is_bare(self) -> bool:
        """Was Cilium never installed here? (Removing it leaves its network configuration on the nodes.)"""
        secrets = self._api.list("Secret", "kube-system")
        released = any(secret["metadata"]["name"].startswith("sh.helm.release.") for secret in secrets)
        installed = self._api.get("DaemonSet", "cilium", "kube-system") is not None
        return not released and not installed and not any(map(is_ready, self._api.list("Node")))

    def is_misplaced(self) -> bool:
        """Is Cilium released in another namespace than kube-system? Nobody looks for it there, and it cannot be in a
        cluster twice. (Of a cluster that is somebody's own it is not asked.)
        """
        return self._own and any(
            secret["metadata"]["name"].startswith("sh.helm.release.v1.cilium.")
            and secret["metadata"]["namespace"] != "kube-system"
            for secret in self._api.list("Secret")
        )

    def is_past(self) -> bool:
        """Did this cluster ever run a newer minor release than the one needed? Its definitions stay that new."""
        if not self._needed:
            return False
        done = self._tools.run(["helm", "history", "cilium", "--namespace", "kube-system", "--output", "json"])
        charts = re.findall(r'"chart": ?"cilium-([^"]+)"', done.output) if done else []
        return any(_minor(chart) > _minor(self._version) for chart in charts)

    def reach(self, stage: Stage, *, leftovers: Iterable[Applied] = ()) -> None:
        """Bring the cluster to ``stage`` and remove what earlier labs left. Raises StageError."""
        self._remove(leftovers)
        if stage is Stage.BARE:
            if not self.is_bare():
                raise StageError("Cilium is, or was, installed in this cluster", try_="start a fresh cluster")
            return
        self._cilium()
        if stage is Stage.CILIUM:
            self._waiting.until("Cilium", self._missing_cilium)
            return
        # the shop starts while the last parts of Cilium do
        self._waiting.until("the network", self._missing_network)
        self._shop()

    def _cilium(self) -> None:
        agents = self._api.get("DaemonSet", "cilium", "kube-system")
        if agents is None and not self._own:
            raise StageError(
                "this cluster runs no Cilium, and it is not the course's to change",
                try_="install Cilium, or cilium-labs up --backend twin",
            )
        if self._own and (agents is None or not self._as_wanted()):
            self._install(first=agents is None)
        elif self._needed and agents is not None and _minor(_installed(agents)) != _minor(self._version):
            minor, found = ".".join(map(str, _minor(self._version))), _installed(agents) or "another version"
            raise StageError(
                f"this lab needs Cilium {minor}; this cluster runs {found} and is not the course's to change",
                try_="run it on the twin: cilium-labs up --backend twin",
            )

    def _install(self, *, first: bool) -> None:
        self._say(f"installing Cilium {self._version}" if first else "giving Cilium its values back")
        host, port = self._api_server()
        values = (*CHART_VALUES, ("k8sServiceHost", host), ("k8sServicePort", port))
        if not self._chart:
            self._helm("repo", "add", "cilium", REPOSITORY, "--force-update")
        chart = self._chart or ("cilium/cilium", "--version", self._version)
        words = ["upgrade", "--install", "cilium", *chart, "--namespace", "kube-system"]
        for name, value in values:
            words += ["--set", f"{name}={value}"]
        self._helm(*words)
        agents = self._api.get("DaemonSet", "cilium", "kube-system")
        if first or agents is None:
            return
        # Helm leaves options alone that it did not set; one that agents cannot read keeps them from ever starting
        changed = not self._names_as_usual(self._api.get("ConfigMap", "cilium-config", "kube-system"))
        if changed or not _unavailable("DaemonSet", agents):
            left = {"data": dict.fromkeys(_NAME_OPTIONS)}
            self._api.patch("ConfigMap", "cilium-config", "kube-system", left)
            self._helm_values_take_effect()

    def _helm_values_take_effect(self) -> None:
        done = self._tools.run(["kubectl", "-n", "kube-system", "rollout", "restart", "daemonset/cilium"])
        if not done:
            raise StageError(f"the agents could not be restarted: {done.output.strip()}")

    def _as_wanted(self) -> bool:
        config = self._api.get("ConfigMap", "cilium-config", "kube-system")
        relay = self._api.get("Deployment", "hubble-relay", "kube-system")
        if config is None or relay is None:
            return False
        agents = self._api.get("DaemonSet", "cilium", "kube-system")
        data = config.get("data", {})
        return (
            data.get("kube-proxy-replacement") == "true"
            and data.get("policy-audit-mode", "false") == "false"
            and data.get("enable-policy", "default") == "default"
            and self._names_as_usual(config)
            and agents is not None
            and _installed(agents) in ("", self._version)
            and not _unavailable("DaemonSet", agents)
        )

    @staticmethod
    def _names_as_usual(config: Resource | None) -> bool:
        data = (config or {}).get("data", {})
        return all(data.get(name, usual) == usual for name, usual in _NAME_OPTIONS.items())

    def _missing_network(self) -> str:
        nodes = self._api.list("Node")
        ready = sum(map(is_ready, nodes))
        return f"{ready} of {len(nodes)} nodes are Ready" if ready < len(nodes) else ""

    def _missing_cilium(self) -> str:
        agents = self._api.get("DaemonSet", "cilium", "kube-system")
        relay = self._api.get("Deployment", "hubble-relay", "kube-system")
        missing = [self._missing_network()]
        if agents is None or _unavailable("DaemonSet", agents):
            missing.append("agents start")
        if relay is not None and _unavailable("Deployment", relay):
            missing.append("Hubble Relay starts")
        return _listed(*missing)

    def _api_server(self) -> tuple[str, str]:
        """Host and port of the API server as nodes reach it, not by a Service: nothing translates Services yet."""
        endpoints = self._api.get("Endpoints", "kubernetes", "default")
        for subset in (endpoints or {}).get("subsets", ()):
            if subset.get("addresses") and subset.get("ports"):
                return subset["addresses"][0]["ip"], str(subset["ports"][0]["port"])
        raise StageError("the address of the API server is unknown", where="endpoints/kubernetes in default")

    def _shop(self) -> None:
        wanted = self._fitted(shopping.manifests(self._parts))
        for namespace in shopping.NAMESPACES:
            found = self._api.get("Namespace", namespace)
            if found is not None and not self._is_ours(namespace):
                raise StageError(
                    f'the namespace "{namespace}" exists and is not the course\'s',
                    where=f"annotation {shopping.STORY_ANNOTATION}",
                    try_=f"rename or delete it, or mark it: kubectl annotate namespace {namespace} "
                    f"{shopping.STORY_ANNOTATION}=shop",
                )
        self._clean(wanted)
        for resource in wanted:
            self._apply(resource)
        self._drop_changed_pods(wanted)
        deployments = [item for item in wanted if item["kind"] == "Deployment"]
        self._waiting.until("the shop", lambda: _listed(self._missing_cilium(), self._missing_pods(deployments)))

    def _fitted(self, manifests: Sequence[Resource]) -> list[dict[str, Any]]:
        """For this cluster: marked by a label where others live too, trusting an outside that signs for itself."""
        namespace, name = trusting.PUBLISHED
        fitted = trusting.trusting(manifests, self._api.get("ConfigMap", name, namespace))
        for item in fitted if not self._own else ():
            if item["kind"] == "Namespace":
                item["metadata"].setdefault("labels", {})[shopping.STORY_ANNOTATION] = "shop"
        return fitted

    def _apply(self, resource: Resource) -> None:
        try:
            self._api.apply(resource)
        except ApiError as error:
            name = f"{resource['kind']} {resource['metadata']['name']}"
            raise StageError(f"{name} was refused: {error.what}", where=error.where) from error

    def _clean(self, wanted: Sequence[Resource]) -> None:
        keep = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in wanted}
        for namespace in shopping.NAMESPACES:
            found = self._api.get("Namespace", namespace)
            if found is None:
                continue
            labels = found["metadata"].get("labels", {})
            kept = {_OWN_NAMESPACE_LABEL} if self._own else {_OWN_NAMESPACE_LABEL, shopping.STORY_ANNOTATION}
            extra = {label: None for label in labels if label not in kept}
            if extra:
                self._api.patch("Namespace", namespace, "", {"metadata": {"labels": extra}})
            for kind in _CLEANED:
                for item in self._api.list(kind, namespace):
                    metadata = item["metadata"]
                    known = (kind, namespace, metadata["name"]) in keep or (kind, metadata["name"]) in _KEPT
                    if not known and not metadata.get("ownerReferences") and "deletionTimestamp" not in metadata:
                        self._api.delete(kind, metadata["name"], namespace, grace=0 if kind == "Pod" else None)

    def _drop_changed_pods(self, wanted: Sequence[Resource]) -> None:
        """Pods that were relabelled by hand are replaced: their template says what they should be."""
        for deployment in (item for item in wanted if item["kind"] == "Deployment"):
            namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
            labels = deployment["spec"]["template"]["metadata"]["labels"]
            for pod in self._api.list("Pod", namespace):
                mine = pod["metadata"]["name"].startswith(f"{name}-")
                has = {k: v for k, v in pod["metadata"].get("labels", {}).items() if k != "pod-template-hash"}
                if mine and has != labels and "deletionTimestamp" not in pod["metadata"]:
                    self._api.delete("Pod", pod["metadata"]["name"], namespace, grace=0)

    def _missing_pods(self, deployments: Sequence[Resource]) -> str:
        missing = []
        for deployment in deployments:
            namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
            found = self._api.get("Deployment", name, namespace)
            pods = self._api.list("Pod", namespace, selector=f"app={name}")
            if found is None or _unavailable("Deployment", found) or not pods or not all(map(is_ready, pods)):
                missing.append(name)
        return ", ".join(missing)

    def _remove(self, leftovers: Iterable[Applied]) -> None:
        for item in leftovers:
            self._api.delete(item.kind, item.name, item.namespace)

    def _is_ours(self, namespace: str) -> bool:
        found = self._api.get("Namespace", namespace)
        return found is not None and shopping.STORY_ANNOTATION in found["metadata"].get("annotations", {})

    def _helm(self, *words: str) -> None:
        done = self._tools.run(["helm", *words])
        if not done:
            raise StageError(f"helm {words[0]} failed: {done.output.strip()}", try_="cilium-labs doctor")


def _installed(agents: Resource) -> str:
    """The agents' version by their image, ``1.20.2``; empty where it does not tell."""
    for container in agents.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
        if container.get("name") == "cilium-agent":
            return (
                str(container.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[2].removeprefix("v")
            )
    return ""


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _listed(*missing: str) -> str:
    return ", ".join(filter(None, missing))


def _unavailable(kind: str, resource: Resource) -> bool:
    """Is the newest generation not rolled out and available yet?"""
    status: dict[str, Any] = dict(resource.get("status", {}))
    if status.get("observedGeneration", 0) < resource["metadata"].get("generation", 0):
        return True
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        ready, updated = status.get("numberReady", 0), status.get("updatedNumberScheduled", 0)
        return bool(wanted == 0 or ready < wanted or updated < wanted)
    wanted = resource["spec"].get("replicas", 1)
    return bool(status.get("availableReplicas", 0) < wanted or status.get("updatedReplicas", 0) < wanted)
