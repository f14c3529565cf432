"""Pods."""

from collections.abc import Mapping
from typing import Any

from lab_helpers.tools.kubectl.describing.containers import containers, spread_constraints, tolerations, volumes
from lab_helpers.tools.kubectl.describing.pages import Page
from lab_helpers.tools.kubectl.output.ages import age, long_time


def describe(page: Page, pod: Mapping[str, Any]) -> None:
    """A pod, without its events."""
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    page.head(pod)
    if spec.get("priority") is not None:
        page.line(0, f"Priority:\t{spec['priority']}")
    for title, key in (
        ("Priority Class Name", "priorityClassName"),
        ("Runtime Class Name", "runtimeClassName"),
        ("Service Account", "serviceAccountName"),
    ):
        if spec.get(key):
            page.line(0, f"{title}:\t{spec[key]}")
    node = f"{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else "<none>"
    page.line(0, f"Node:\t{node}")
    if status.get("startTime"):
        page.line(0, f"Start Time:\t{long_time(status['startTime'])}")
    page.tags(pod)
    if meta.get("deletionTimestamp") and status.get("phase") not in ("Failed", "Succeeded"):
        page.line(0, f"Status:\tTerminating (lasts {age(meta['deletionTimestamp'])})")
        page.line(0, f"Termination Grace Period:\t{meta.get('deletionGracePeriodSeconds', 0)}s")
    else:
        page.line(0, f"Status:\t{status.get('phase', '')}")
    for title, key in (("Reason", "reason"), ("Message", "message")):
        if status.get(key):
            page.line(0, f"{title}:\t{status[key]}")
    seccomp = (spec.get("securityContext") or {}).get("seccompProfile")
    if seccomp:
        page.line(0, f"SeccompProfile:\t{seccomp.get('type')}")
    page.line(0, f"IP:\t{status.get('podIP', '')}")
    if status.get("podIPs"):
        page.line(0, "IPs:")
        for address in status["podIPs"]:
            page.line(1, f"IP:\t{address.get('ip')}")
    else:
        page.line(0, "IPs:\t<none>")
    page.controller(pod)
    if status.get("nominatedNodeName"):
        page.line(0, f"NominatedNodeName:\t{status['nominatedNodeName']}")
    for title, key, statuses in (
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        if spec.get(key):
            containers(page, title, spec[key], status.get(statuses) or [], pod)
    if status.get("conditions"):
        page.line(0, "Conditions:")
        page.line(1, "Type\tStatus")
        for item in status["conditions"]:
            page.line(1, f"{item['type']} \t{item['status']} ")
    volumes(page, spec.get("volumes") or [])
    page.line(0, f"QoS Class:\t{status.get('qosClass') or _quality(spec)}")
    page.labels("Node-Selectors", spec.get("nodeSelector"))
    tolerations(page, "Tolerations", spec.get("tolerations") or [])
    spread_constraints(page, spec.get("topologySpreadConstraints") or [])


def _quality(spec: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort (apimachinery's QoS rules), where the status does not say."""
    resources = [container.get("resources") or {} for container in spec.get("containers") or []]
    if not any(item.get("limits") or item.get("requests") for item in resources):
        return "BestEffort"
    for item in resources:
        limits, requests = item.get("limits") or {}, item.get("requests") or item.get("limits") or {}
        if any(not limits.get(key) or limits[key] != requests.get(key, limits[key]) for key in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"
