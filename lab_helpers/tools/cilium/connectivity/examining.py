"""Tests that look at the agents: packets dropped for reasons nobody expected, and errors in logs."""

import json
import re
from collections.abc import Iterable, Sequence

from lab_helpers.tools.cilium.sessions import Session
from lab_helpers.tools.rest import RestError
from lab_helpers.tools.rest.executing import execute

EXPECTED_DROPS = (
    "Policy denied",
    "Policy denied by denylist",
    "Unsupported L3 protocol",
    "Stale or unroutable IP",
    "Authentication required",
    "Service backend not found",
    "Unsupported protocol for NAT masquerade",
    "Invalid source ip",
    "Unknown L3 target address",
    "No tunnel/encapsulation endpoint (datapath BUG!)",
    "Host datapath not ready",
    "Unknown ICMPv4 code",
    "Forbidden ICMPv6 message",
)
_SELECTOR = "k8s-app in (cilium, hubble-relay, cilium-envoy)"
_ERROR = re.compile(r"level=(error|fatal|panic)|^panic:|runtime error:|DATA RACE|segmentation fault", re.MULTILINE)
_HARMLESS = re.compile(
    r"context canceled|Unable to contact k8s api-server|unable to reach the API server", re.IGNORECASE
)


def agents(session: Session) -> list[str]:
    """The agents' pods."""
    return [pod["metadata"]["name"] for pod in session.pods("k8s-app=cilium")]


def drops(session: Session, expected: Sequence[str] = EXPECTED_DROPS) -> list[str]:
    """Drop reasons that are counted by an agent and not expected, as ``pod: reason: number``."""
    found = []
    for pod in agents(session):
        command = ("cilium-dbg", "metrics", "list", "-o", "json")
        done = execute(session.client, session.namespace, pod, command, container="cilium-agent")
        try:
            metrics = json.loads(done.stdout)
        except ValueError:
            found.append(f"{pod}: `{' '.join(command)}` gave no JSON (exit code {done.exit_code})")
            continue
        found += [f"{pod}: {text}" for text in unexpected(metrics, expected)]
    return found


def unexpected(metrics: Iterable[dict[str, object]], expected: Sequence[str]) -> list[str]:
    """``reason: number`` of each counted drop reason that is not expected."""
    counted: dict[str, float] = {}
    for metric in metrics:
        labels = metric.get("labels")
        if metric.get("name") == "cilium_drop_count_total" and isinstance(labels, dict):
            reason = str(labels.get("reason", ""))
            counted[reason] = counted.get(reason, 0.0) + float(str(metric.get("value", 0)))
    return [f"{reason}: {number:g}" for reason, number in sorted(counted.items()) if number and reason not in expected]


def log_errors(session: Session) -> list[str]:
    """Lines of the logs of Cilium's pods that tell of an error, as ``pod (container): line``."""
    found = []
    for pod in session.pods(_SELECTOR):
        name = pod["metadata"]["name"]
        for container in [item["name"] for item in pod["spec"]["containers"]]:
            path = f"/api/v1/namespaces/{session.namespace}/pods/{name}/log"
            try:
                text = session.client.text(path, container=container)
            except RestError:
                continue
            found += [f"{name} ({container}): {line.strip()}" for line in wrong_lines(text)]
    return found


def wrong_lines(text: str) -> list[str]:
    """Lines of a log that tell of an error of Cilium's own."""
    return [line for line in text.splitlines() if _ERROR.search(line) and not _HARMLESS.search(line)]
