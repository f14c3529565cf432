"""What ``cilium status`` finds out: workloads, their pods, images, managed endpoints (cilium-cli status/k8s.go)."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from lab_helpers.tools.cilium.sessions import Session
from lab_helpers.tools.rest import ApiError, RestError
from lab_helpers.tools.rest.executing import execute

DEPLOYMENTS = ("cilium-operator", "clustermesh-apiserver", "hubble-relay", "hubble-ui")
DAEMONSETS = ("cilium", "cilium-envoy")
OPTIONAL = frozenset({"cilium-envoy", *DEPLOYMENTS})
"""What counts as disabled where it is not there, the operator too."""
_SELECTORS = {
    "cilium": "k8s-app=cilium",
    "cilium-envoy": "k8s-app=cilium-envoy",
    "cilium-operator": "name=cilium-operator",
    "clustermesh-apiserver": "k8s-app=clustermesh-apiserver",
    "hubble-relay": "k8s-app=hubble-relay",
    "hubble-ui": "k8s-app=hubble-ui",
}


class PodState(NamedTuple):
    """How many pods a workload shall have, has ready, and has available."""

    kind: str
    desired: int
    ready: int
    available: int
    unavailable: int


class Problem(NamedTuple):
    """An error or warning about a pod (or the workload itself)."""

    workload: str
    pod: str
    text: str


class Missing(NamedTuple):
    """Something that is not there: in words, and the API server's answer where it is handed on."""

    text: str
    answer: dict[str, Any] | None = None


class Status:
    """Everything on the page."""

    def __init__(self) -> None:
        self.states: dict[str, PodState] = {}
        self.disabled: set[str] = set()
        self.phases: dict[str, dict[str, int]] = {name: {} for name in _SELECTORS}
        self.images: dict[str, dict[str, int]] = {}
        self.managed = 0
        self.cluster_pods = 0
        self.chart = ""
        self.agents: dict[str, dict[str, Any]] = {}
        """What each agent says of itself, by pod."""
        self.endpoints: dict[str, list[dict[str, Any]]] = {}
        """And of its endpoints."""
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self.missing: list[Missing] = []
        """What could not be looked at, because it is not there."""

    @property
    def complete(self) -> bool:
        """Nothing is wrong or still starting."""
        return not self.errors and not self.warnings

    def summary(self, workload: str) -> tuple[int, int]:
        """Numbers of errors and of warnings of a workload."""
        return (
            sum(problem.workload == workload for problem in self.errors),
            sum(problem.workload == workload for problem in self.warnings),
        )


def collect(session: Session) -> Status:
    """Look at the cluster. Raises RestError when it cannot be asked."""
    status = Status()
    for kind, plural, names in (("DaemonSet", "daemonsets", DAEMONSETS), ("Deployment", "deployments", DEPLOYMENTS)):
        for name in names:
            _workload(session, status, kind, plural, name)
    if session.find(f"/api/v1/namespaces/{session.namespace}/configmaps/cilium-config") is None:
        text = 'unable to retrieve ConfigMap "cilium-config": configmaps "cilium-config" not found'
        status.missing.append(Missing(text))
    for name, selector in _SELECTORS.items():
        _pods(session, status, name, selector)
    _ask_agents(session, status)
    _cluster_pods(session, status)
    try:
        history = session.helm.storage.history(session.release)
        status.chart = str(history[-1].chart.get("version", ""))
    except Exception as error:
        from lab_helpers.tools.helm.errors import HelmError

        if not isinstance(error, (HelmError, ApiError)):
            raise
    return status


def _workload(session: Session, status: Status, kind: str, plural: str, name: str) -> None:
    found = session.workload(plural, name)
    if found is None:
        if name in OPTIONAL:
            status.disabled.add(name)
        else:
            text = f'{plural}.apps "{name}" not found'
            status.errors.append(Problem(name, name, text))
            answer = {
                "metadata": {},
                "status": "Failure",
                "message": text,
                "reason": "NotFound",
                "details": {"name": name, "group": "apps", "kind": plural},
                "code": 404,
            }
            status.missing.append(Missing(text, answer))
        return
    state = found.get("status") or {}
    if kind == "DaemonSet":
        desired, ready = state.get("desiredNumberScheduled", 0), state.get("numberReady", 0)
        available, unavailable = state.get("numberAvailable", 0), state.get("numberUnavailable", 0)
        if state.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
            status.errors.append(Problem(name, name, f"{kind} {name} is not yet observed"))
    else:
        desired, ready = state.get("replicas", 0), state.get("readyReplicas", 0)
        available, unavailable = state.get("availableReplicas", 0), state.get("unavailableReplicas", 0)
    status.states[name] = PodState(kind, desired, ready, available, unavailable)
    not_ready = desired - ready
    if not_ready > 0:
        status.errors.append(Problem(name, name, f"{not_ready} pods of {kind} {name} are not ready"))
    if unavailable > 0 and unavailable != not_ready:
        status.warnings.append(Problem(name, name, f"{unavailable} pods of {kind} {name} are not available"))
    if kind == "DaemonSet" and desired == 0:
        status.errors.append(Problem(name, name, f"{kind} {name} has no pods"))


def _pods(session: Session, status: Status, name: str, selector: str) -> None:
    for pod in session.pods(selector):
        state = pod.get("status") or {}
        phase = str(state.get("phase") or "Unknown")
        status.phases[name][phase] = status.phases[name].get(phase, 0) + 1
        shown = pod["metadata"]["name"]
        if phase == "Pending":
            status.warnings.append(Problem(name, shown, "pod is pending"))
        elif phase == "Failed":
            text = f"pod has failed: {state.get('reason', '')} - {state.get('message', '')}"
            status.errors.append(Problem(name, shown, text))
        for container in state.get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in ("CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull"):
                text = f"container {container['name']} is in {waiting['reason']}"
                if waiting.get("message"):
                    text += f", {waiting['message']}"
                status.errors.append(Problem(name, shown, text))
        for container in pod["spec"].get("containers") or []:
            images = status.images.setdefault(name, {})
            images[container["image"]] = images.get(container["image"], 0) + 1
        if name == "cilium" and phase == "Running" and not _ready(pod):
            status.errors.append(Problem(name, shown, _unready(pod)))


def _ended(container: Mapping[str, Any]) -> str:
    """What became of an agent's container that is not ready."""
    if "running" in (container.get("state") or {}):
        return "is not ready"
    waiting = (container.get("state") or {}).get("waiting") or {}
    text = "is in CrashLoopBackOff" if waiting.get("reason") == "CrashLoopBackOff" else "is not running"
    last = (container.get("lastState") or {}).get("terminated")
    return f"{text}, exited with code {last.get('exitCode')}" if last else text


def _ask_agents(session: Session, status: Status) -> None:
    """``cilium-dbg status`` and ``endpoint list`` in every agent that is ready."""
    pods = [pod["metadata"]["name"] for pod in session.pods(_SELECTORS["cilium"]) if _ready(pod)]
    if not pods:
        return
    now = dt.datetime.now(dt.UTC)
    with ThreadPoolExecutor(max_workers=max(1, session.flags["worker-count"])) as pool:
        for pod, asked in zip(pods, pool.map(lambda pod: _ask(session, pod), pods), strict=True):
            if asked.problem:
                status.errors.append(Problem("cilium", pod, f"unable to retrieve cilium status: {asked.problem}"))
                continue
            status.agents[pod] = asked.status
            status.endpoints[pod] = asked.endpoints
            errors, warnings = complaints(asked.status, asked.endpoints, now)
            status.errors += [Problem("cilium", pod, text) for text in errors]
            status.warnings += [Problem("cilium", pod, text) for text in warnings]


class _Asked(NamedTuple):
    """What an agent answered, or what kept it from doing so."""

    status: dict[str, Any]
    endpoints: list[dict[str, Any]]
    problem: str = ""


def _ask(session: Session, pod: str) -> _Asked:
    found = []
    for words in (("status",), ("endpoint", "list")):
        command = ("cilium-dbg", *words, "-o", "json")
        try:
            done = execute(session.client, session.namespace, pod, command, container="cilium-agent")
            if done.exit_code:
                said = (done.stderr or done.stdout).strip().splitlines()
                return _Asked({}, [], said[-1] if said else f"command terminated with exit code {done.exit_code}")
            found.append(json.loads(done.stdout))
        except (RestError, ValueError) as error:
            return _Asked({}, [], str(error))
    return _Asked(found[0], found[1])


_SUBSYSTEMS = (("Cilium", "cilium"), ("Hubble", "hubble"), ("Kubernetes", "kubernetes"), ("Kvstore", "kvstore"))


def complaints(
    answer: Mapping[str, Any], endpoints: Sequence[Mapping[str, Any]], now: dt.datetime
) -> tuple[list[str], list[str]]:
    """Errors and warnings in what an agent says of itself (cilium-cli status/status.go)."""
    parts = [(title, answer.get(key)) for title, key in _SUBSYSTEMS]
    parts.insert(1, ("Health", (answer.get("cluster") or {}).get("ciliumHealth")))
    told: dict[str, list[str]] = {"failure": [], "warning": []}
    for title, found in parts:
        told.get(str((found or {}).get("state", "")).lower(), []).append(f"{title}: {(found or {}).get('msg', '')}")
    errors, warnings = told["failure"], told["warning"]
    for controller in answer.get("controllers") or []:
        runs = controller.get("status") or {}
        if runs.get("consecutive-failure-count"):
            since = _since(str(runs.get("last-failure-timestamp", "")), now)
            times, message = runs["consecutive-failure-count"], runs.get("last-failure-msg", "")
            errors.append(f"controller {controller['name']} is failing since {since} ({times}x): {message}")
    waiting = sum((endpoint.get("status") or {}).get("state") != "ready" for endpoint in endpoints)
    if waiting:
        warnings.append(f"{waiting} endpoints are not ready")
    return errors, warnings


def _since(stamp: str, now: dt.datetime) -> str:
    """``1m5s`` of an RFC 3339 time."""
    from lab_helpers.tools.goflags.values import duration_text

    try:
        seconds = max(0, int((now - dt.datetime.fromisoformat(stamp)).total_seconds()))
    except (ValueError, TypeError):
        return "an unknown time"
    return duration_text(seconds * 1_000_000_000)


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)


def _unready(pod: Mapping[str, Any]) -> str:
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        if container["name"] == "cilium-agent" and not container.get("ready"):
            return f"unable to retrieve cilium status: container cilium-agent {_ended(container)}"
    return "unable to retrieve cilium status: the pod is not ready"


def _cluster_pods(session: Session, status: Status) -> None:
    """Pods with an address of their own, and how many of them Cilium manages."""
    endpoints: set[tuple[str, str]] = set()
    try:
        found = session.client.list_all("/apis/cilium.io/v2/ciliumendpoints").get("items") or []
        endpoints = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found}
    except RestError:
        pass  # before Cilium is installed the type does not exist
    for pod in session.client.list_all("/api/v1/pods").get("items") or []:
        phase = (pod.get("status") or {}).get("phase")
        if pod["spec"].get("hostNetwork") or phase in ("Succeeded", "Failed"):
            continue
        status.cluster_pods += 1
        status.managed += (pod["metadata"]["namespace"], pod["metadata"]["name"]) in endpoints
