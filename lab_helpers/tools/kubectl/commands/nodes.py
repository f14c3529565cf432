"""``kubectl cordon``, ``uncordon`` and ``drain`` (kubectl pkg/cmd/drain)."""

import time
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError, UsageFault
from lab_helpers.tools.kubectl.printing import add_dry_run_flag, dry_run, dry_run_query
from lab_helpers.tools.kubectl.selecting import Found, find, items_of
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.kubectl.vanishing import wait_until_gone
from lab_helpers.tools.rest import ApiError
from lab_helpers.tools.rest.clients import STRATEGIC_PATCH

_MIRROR = "kubernetes.io/config.mirror"


def build(name: str) -> Command:
    """One of the commands."""
    shorts = {"cordon": "Keep new pods off a node", "uncordon": "Let new pods onto a node again",
              "drain": "Move the pods off a node"}  # fmt: skip
    command = Command(
        f"{name} NODE",
        short=shorts[name],
        example=f"kubectl {name} cilium-labs-worker" + (" --ignore-daemonsets" if name == "drain" else ""),
        run={"cordon": _cordon, "uncordon": _uncordon, "drain": _drain}[name],
    )
    flags = command.flags
    flags.string("selector", "", "Nodes whose labels match", "l")
    add_dry_run_flag(flags)
    if name == "drain":
        flags.bool("delete-emptydir-data", False, "Also pods with emptyDir volumes, whose data is lost")
        flags.bool("disable-eviction", False, "Delete instead of evicting")
        flags.bool("force", False, "Also pods that no controller will make again")
        flags.number("grace-period", -1, "Seconds a pod gets to end; -1: its own")
        flags.bool("ignore-daemonsets", False, "Leave the pods of DaemonSets alone")
        flags.string("pod-selector", "", "Only pods whose labels match")
        flags.duration("timeout", 0, "How long to wait; 0: as long as needed")
    return command


def _nodes(session: Session) -> list[Found]:
    if not session.args and not session.flags["selector"]:
        raise UsageFault(session.path, f"USAGE: {session.path.rpartition(' ')[2]} NODE [flags]")
    words = ["nodes", *(word.removeprefix("node/").removeprefix("nodes/") for word in session.args)]
    return find(session, words)


def _set(session: Session, item: Found, *, off: bool) -> None:
    name = "cordoned" if off else "uncordoned"
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(dry_run(session), "")
    if bool((item.body or {}).get("spec", {}).get("unschedulable")) == off:
        session.say(f"{item.shown} already {name}{suffix}")
        return
    if dry_run(session) != "client":
        change = {"spec": {"unschedulable": True if off else None}}
        session.client.patch(item.path, change, STRATEGIC_PATCH, **dry_run_query(session))
    session.say(f"{item.shown} {name}{suffix}")


def _cordon(invocation: Invocation) -> int:
    session = Session(invocation)
    for item in _nodes(session):
        _set(session, item, off=True)
    return 0


def _uncordon(invocation: Invocation) -> int:
    session = Session(invocation)
    for item in _nodes(session):
        _set(session, item, off=False)
    return 0


def _owner(pod: dict[str, Any]) -> str:
    return next((str(one["kind"]) for one in pod["metadata"].get("ownerReferences") or [] if one.get("controller")), "")


def _sorted_out(session: Session, pods: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Pods to evict, warnings, and reasons not to go on."""
    flags = session.flags
    evict, warnings, errors = [], [], []
    groups: dict[str, list[str]] = {}
    for pod in pods:
        meta = pod["metadata"]
        shown = f"{meta['namespace']}/{meta['name']}"
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if _MIRROR in (meta.get("annotations") or {}):
            continue
        if _owner(pod) == "DaemonSet" and not ended:
            groups.setdefault("daemonset", []).append(shown)
            continue
        local = any("emptyDir" in volume for volume in (pod["spec"].get("volumes") or []))
        if local and not ended and not flags["delete-emptydir-data"]:
            groups.setdefault("local", []).append(shown)
            continue
        if not _owner(pod) and not ended:
            groups.setdefault("bare", []).append(shown)
            if not flags["force"]:
                continue
        evict.append(pod)
    if "daemonset" in groups:
        if flags["ignore-daemonsets"]:
            warnings.append(f"ignoring DaemonSet-managed Pods: {', '.join(groups['daemonset'])}")
        else:
            errors.append(
                "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): "
                f"{', '.join(groups['daemonset'])}"
            )
    if "local" in groups:
        errors.append(
            "cannot delete Pods with local storage (use --delete-emptydir-data to override): "
            f"{', '.join(groups['local'])}"
        )
    if "bare" in groups:
        names = ", ".join(groups["bare"])
        if flags["force"]:
            warnings.append(f"deleting Pods that declare no controller: {names}")
        else:
            errors.append(f"cannot delete Pods that declare no controller (use --force to override): {names}")
    return evict, warnings, errors


def _drain(invocation: Invocation) -> int:
    session = Session(invocation)
    flags = session.flags
    nodes = _nodes(session)
    for node in nodes:
        _set(session, node, off=True)
    limit = flags["timeout"] / 1e9
    deadline = time.monotonic() + limit if limit else None
    resource = session.catalogue.find("pods")
    for node in nodes:
        query = {"fieldSelector": f"spec.nodeName={node.name}", "labelSelector": flags["pod-selector"]}
        pods = items_of(session.client.list_all(resource.path(), query), resource)
        evict, warnings, errors = _sorted_out(session, pods)
        if errors:
            session.complain(
                f'error: unable to drain node "{node.name}" due to error: [{", ".join(errors)}], continuing command...'
            )
            session.complain("There are pending nodes to be drained:\n " + node.name)
            for error in errors:
                session.complain(error)
            return 1
        if warnings:
            session.complain("Warning: " + "; ".join(warnings))
        for pod in evict:
            meta = pod["metadata"]
            session.say(f"evicting pod {meta['namespace']}/{meta['name']}")
            if dry_run(session) == "none":
                _evict(session, meta, deadline)
        if dry_run(session) == "none":
            for pod in evict:
                meta = pod["metadata"]
                wait_until_gone(session.client, resource, meta["namespace"], meta["name"], meta["uid"], deadline)
                session.say(f"pod/{meta['name']} evicted")
        session.say(f"node/{node.name} drained")
    return 0


def _evict(session: Session, meta: dict[str, Any], deadline: float | None) -> None:
    """Evict a pod; a disruption budget that forbids it now is asked again every five seconds."""
    path = session.catalogue.find("pods").path(meta["namespace"], meta["name"])
    options: dict[str, Any] = {}
    if session.flags["grace-period"] >= 0:
        options["gracePeriodSeconds"] = session.flags["grace-period"]
    while True:
        try:
            if session.flags["disable-eviction"]:
                session.client.delete(path, options or None)
            else:
                body = {
                    "apiVersion": "policy/v1",
                    "kind": "Eviction",
                    "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
                    **({"deleteOptions": options} if options else {}),
                }
                session.client.post(f"{path}/eviction", body)
        except ApiError as error:
            if error.code == 404:
                return
            if error.code != 429:
                raise
            session.complain(
                f'error when evicting pods/"{meta["name"]}" -n "{meta["namespace"]}" (will retry after 5s): {error}'
            )
            if deadline is not None and time.monotonic() + 5 > deadline:
                raise KubectlError("drain did not complete within the time allowed") from error
            time.sleep(5)
        else:
            return
