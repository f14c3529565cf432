"""The page of ``cilium status``: the logo with a summary at its right, then tables (cilium-cli status/status.go)."""

from typing import Any

from lab_helpers.tools.cilium.statuses import DAEMONSETS, DEPLOYMENTS, Problem, Status
from lab_helpers.tools.kubectl.output.tables import aligned

_YELLOW, _CYAN, _GREEN, _RED, _MAGENTA, _BLUE, _RESET = (
    "\033[33m",
    "\033[36m",
    "\033[32m",
    "\033[31m",
    "\033[35m",
    "\033[34m",
    "\033[0m",
)


def summary_text(status: Status, workload: str, colour: bool) -> str:
    """``OK``, ``disabled``, or how many errors and warnings."""
    errors, warnings = status.summary(workload)
    parts = []
    if errors:
        parts.append(f"{_RED}{errors} errors{_RESET}" if colour else f"{errors} errors")
    if warnings:
        parts.append(f"{_YELLOW}{warnings} warnings{_RESET}" if colour else f"{warnings} warnings")
    if parts:
        return ", ".join(parts)
    if workload in status.disabled:
        text = "disabled (using embedded mode)" if workload == "cilium-envoy" else "disabled"
        return f"{_CYAN}{text}{_RESET}" if colour else text
    return f"{_GREEN}OK{_RESET}" if colour else "OK"


def _logo(colour: bool) -> list[str]:
    if not colour:
        return ["    /¯¯\\", " /¯¯\\__/¯¯\\", " \\__/¯¯\\__/", " /¯¯\\__/¯¯\\", " \\__/¯¯\\__/", "    \\__/"]
    y, c, g, r, m, b, e = _YELLOW, _CYAN, _GREEN, _RED, _MAGENTA, _BLUE, _RESET
    return [
        f"{y}    /¯¯\\{e}",
        f"{c} /¯¯{y}\\__/{g}¯¯\\{e}",
        f"{c} \\__{r}/¯¯\\{g}__/{e}",
        f"{g} /¯¯{r}\\__/{m}¯¯\\{e}",
        f"{g} \\__{b}/¯¯\\{m}__/{e}",
        f"{b}    \\__/{e}",
    ]


_SUMMARY = (
    ("Cilium", "cilium"),
    ("Operator", "cilium-operator"),
    ("Envoy DaemonSet", "cilium-envoy"),
    ("Hubble Relay", "hubble-relay"),
    ("ClusterMesh", "clustermesh-apiserver"),
)


_ONLY_DEPLOYED = frozenset({"cilium-envoy", "hubble-ui"})
"""Their containers have a line only where they are installed; the others always have one."""


def page(status: Status, *, colour: bool) -> str:
    """The whole page."""
    logo, plain = _logo(colour), _logo(False)
    lines = [logo[0]]
    for index, (title, workload) in enumerate(_SUMMARY, 1):
        gap = " " * (14 - len(plain[index]) + 1)
        lines.append(f"{logo[index]}{gap}{(title + ':').ljust(20)}{summary_text(status, workload, colour)}")
    rows: list[list[str]] = []
    for name in sorted(status.states, key=lambda name: (status.states[name].kind, name)):
        state = status.states[name]
        counts = []
        if state.desired:
            counts.append(f"Desired: {state.desired}")
        for title, number in (("Ready", state.ready), ("Available", state.available)):
            if number:
                shown = f"{number}/{state.desired}"
                counts.append(f"{title}: {_GREEN}{shown}{_RESET}" if colour else f"{title}: {shown}")
        if state.unavailable:
            shown = f"{state.unavailable}/{state.desired}"
            counts.append(f"Unavailable: {_RED}{shown}{_RESET}" if colour else f"Unavailable: {shown}")
        rows.append([state.kind, name, ", ".join(counts)])
    head = "Containers:"
    for name in sorted((*DAEMONSETS, *DEPLOYMENTS)):
        if name in _ONLY_DEPLOYED and name not in status.states:
            continue
        phases = ", ".join(
            f"{phase}: {_shown(phase, number, colour)}" for phase, number in sorted(status.phases[name].items())
        )
        rows.append([head, name, phases])
        head = ""
    rows.append(["Cluster Pods:", f"{status.managed}/{status.cluster_pods} managed by Cilium"])
    rows.append(["Helm chart version:", status.chart])
    rows += _images(status)
    rows += _problems("Errors:", status.errors)
    rows += _problems("Warnings:", status.warnings)
    return "\n".join([*lines, "", *aligned(rows, padding=4)]) + "\n"


def _shown(phase: str, number: int, colour: bool) -> str:
    if not colour:
        return str(number)
    return f"{_GREEN if phase == 'Running' else _RED}{number}{_RESET}"


def _images(status: Status) -> list[list[str]]:
    rows: list[list[str]] = []
    head = "Image versions"
    for name in sorted(status.images):
        for image, number in sorted(status.images[name].items()):
            rows.append([head, name, f"{image}: {number}"])
            head = ""
    return rows


def _problems(head: str, problems: list[Problem]) -> list[list[str]]:
    rows: list[list[str]] = []
    for problem in sorted(problems):
        rows.append([head, problem.workload, problem.pod, problem.text])
        head = ""
    return rows


def as_json(status: Status) -> dict[str, Any]:
    """The same for ``-o json``: names and order of cilium-cli status/status.go; what is empty is left out."""
    errors: dict[str, Any] = {name: {name: _counted(name in status.disabled)} for name in DEPLOYMENTS}
    for name in sorted(status.disabled.difference(DEPLOYMENTS)):
        errors[name] = {name: _counted(True)}
    for key, problems in (("Errors", status.errors), ("Warnings", status.warnings)):
        for problem in problems:
            errors.setdefault(problem.workload, {}).setdefault(problem.pod, _counted(False))[key].append(problem.text)
    counted = sorted(name for name in status.phases if name in status.states or name not in _ONLY_DEPLOYED)
    model = {
        "image_count": {name: status.images.get(name, {}) for name in counted},
        "phase_count": {name: status.phases[name] for name in counted},
        "pod_state": {
            name: {
                "Type": state.kind,
                "Desired": state.desired,
                "Ready": state.ready,
                "Available": state.available,
                "Unavailable": state.unavailable,
            }
            for name, state in sorted(status.states.items())
        },
        "pods_count": {"all": status.cluster_pods, "by_cilium": status.managed},
        "cilium_status": dict(sorted(status.agents.items())),
        "cilium_endpoints": dict(sorted(status.endpoints.items())),
        "errors": {name: dict(sorted(errors[name].items())) for name in sorted(errors)},
        "collection_errors": [{"ErrStatus": one.answer} if one.answer else {} for one in status.missing],
        "helm_chart_version": status.chart,
    }
    return {key: value for key, value in model.items() if value}


def _counted(disabled: bool) -> dict[str, Any]:
    return {"Errors": [], "Warnings": [], "Disabled": disabled}
