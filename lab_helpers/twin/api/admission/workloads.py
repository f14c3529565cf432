"""Validation of Deployments, ReplicaSets, DaemonSets, StatefulSets, Jobs and CronJobs (pkg/apis/*/validation)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.twin.api.admission.names import check_selector
from lab_helpers.twin.api.admission.pods import check_template
from lab_helpers.twin.api.admission.problems import Problems
from lab_helpers.twin.objects.selectors import matches_selector

__all__ = ["WORKLOADS"]

Item = Mapping[str, Any]
Check = Callable[[Item, Item | None, Problems], None]

_PERCENT = re.compile(r"^[0-9]+%$")
_IMMUTABLE = "field is immutable"
_EMPTY_SELECTOR = "empty selector is invalid for "


def _selector(spec: Item, kind: str, problems: Problems) -> None:
    selector = spec.get("selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if selector is None:
        problems.required("spec.selector")
        return
    check_selector(selector, "spec.selector", problems)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        problems.invalid("spec.selector", selector, f"{_EMPTY_SELECTOR}{kind}")
    elif not problems.found and not matches_selector(selector, labels):
        problems.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")


def _template(spec: Item, problems: Problems, policies: tuple[str, ...] = ("Always",)) -> None:
    template = spec.get("template") or {}
    check_template(template, "spec.template", problems)
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy not in policies and policy in ("Always", "OnFailure", "Never"):
        problems.unsupported("spec.template.spec.restartPolicy", policy, policies)


def _not_negative(spec: Item, problems: Problems, *names: str) -> None:
    for name in names:
        if (spec.get(name) or 0) < 0:
            problems.invalid(f"spec.{name}", spec[name], "must be greater than or equal to 0")


def _same(new: Item, old: Item | None, name: str, problems: Problems) -> None:
    if old is not None and new["spec"].get(name) != old["spec"].get(name):
        problems.invalid(f"spec.{name}", new["spec"].get(name), _IMMUTABLE)


def _portion(value: Any, field: str, problems: Problems) -> None:
    if isinstance(value, str) and not _PERCENT.match(value):
        why = (
            "a valid percent string must be a numeric string followed by an ending '%' "
            "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
        )
        problems.invalid(field, value, why)
    elif isinstance(value, int) and value < 0:
        problems.invalid(field, value, "must be greater than or equal to 0")


def _rolling(strategy: Item, field: str, problems: Problems, *, kinds: tuple[str, ...]) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in kinds:
        problems.unsupported(f"{field}.type", kind, kinds)
    elif kind == "Recreate" and rolling is not None:
        problems.forbidden(f"{field}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    elif kind == "RollingUpdate" and rolling:
        missing, extra = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        _portion(missing, f"{field}.rollingUpdate.maxUnavailable", problems)
        _portion(extra, f"{field}.rollingUpdate.maxSurge", problems)
        if isinstance(missing, str) and _PERCENT.match(missing) and int(missing[:-1]) > 100:
            problems.invalid(f"{field}.rollingUpdate.maxUnavailable", missing, "must not be greater than 100%")
        if missing in (0, "0%") and extra in (0, "0%"):
            problems.invalid(f"{field}.rollingUpdate.maxUnavailable", missing, "may not be 0 when `maxSurge` is 0")


def _deployment(new: Item, old: Item | None, problems: Problems) -> None:
    spec = new["spec"]
    _not_negative(spec, problems, "replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    _selector(spec, "deployment", problems)
    _template(spec, problems)
    _rolling(spec.get("strategy") or {}, "spec.strategy", problems, kinds=("Recreate", "RollingUpdate"))
    if spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        problems.invalid(
            "spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], "must be greater than minReadySeconds"
        )
    _same(new, old, "selector", problems)


def _replica_set(new: Item, old: Item | None, problems: Problems) -> None:
    spec = new["spec"]
    _not_negative(spec, problems, "replicas", "minReadySeconds")
    _selector(spec, "deployment", problems)
    _template(spec, problems)
    _same(new, old, "selector", problems)


def _daemon_set(new: Item, old: Item | None, problems: Problems) -> None:
    spec = new["spec"]
    _not_negative(spec, problems, "minReadySeconds", "revisionHistoryLimit")
    _selector(spec, "daemonset", problems)
    _template(spec, problems)
    _rolling(spec.get("updateStrategy") or {}, "spec.updateStrategy", problems, kinds=("RollingUpdate", "OnDelete"))
    _same(new, old, "selector", problems)


def _stateful_set(new: Item, old: Item | None, problems: Problems) -> None:
    spec = new["spec"]
    _not_negative(spec, problems, "replicas", "minReadySeconds", "revisionHistoryLimit")
    _selector(spec, "statefulset", problems)
    _template(spec, problems)
    if spec.get("podManagementPolicy") not in ("OrderedReady", "Parallel"):
        problems.invalid(
            "spec.podManagementPolicy", spec.get("podManagementPolicy"), "must be 'OrderedReady' or 'Parallel'"
        )
    if old is not None:
        free = (
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        )
        kept = {name: value for name, value in spec.items() if name not in free}
        if kept != {name: value for name, value in old["spec"].items() if name not in free}:
            listed = ", ".join(f"'{name}'" for name in free[:-1])
            problems.forbidden(
                "spec", f"updates to statefulset spec for fields other than {listed} and '{free[-1]}' are forbidden"
            )


def _job(new: Item, old: Item | None, problems: Problems) -> None:
    spec = new["spec"]
    names = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
    _not_negative(spec, problems, *names)
    check_template(spec.get("template") or {}, "spec.template", problems)
    _job_policy(spec, "spec.template.spec.restartPolicy", problems)
    for name in ("selector", "template", "completionMode"):
        if (
            name == "template"
            and old is not None
            and (old["spec"].get("suspend") and not (old.get("status") or {}).get("startTime"))
        ):
            continue
        _same(new, old, name, problems)
    if spec.get("completionMode") != "Indexed":
        _same(new, old, "completions", problems)


def _job_policy(spec: Item, field: str, problems: Problems) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy == "Always":
        problems.required(field, 'valid values: "OnFailure", "Never"')


def _cron_job(new: Item, old: Item | None, problems: Problems) -> None:
    del old
    spec = new["spec"]
    schedule = spec.get("schedule", "")
    if not schedule:
        problems.required("spec.schedule")
    elif not schedule.startswith("@") and len(schedule.split()) != 5:
        problems.invalid(
            "spec.schedule",
            schedule,
            f"expected exactly 5 fields, found {len(schedule.split())}: {list_text(schedule)}",
        )
    if spec.get("concurrencyPolicy") not in ("Allow", "Forbid", "Replace"):
        problems.unsupported("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    check_template(job.get("template") or {}, "spec.jobTemplate.spec.template", problems)
    _job_policy(job, "spec.jobTemplate.spec.template.spec.restartPolicy", problems)
    if len(new["metadata"]["name"]) > 52:
        problems.invalid("metadata.name", new["metadata"]["name"], "must be no more than 52 characters")


def list_text(text: str) -> str:
    """Words as Go prints a slice."""
    return "[" + " ".join(text.split()) + "]"


WORKLOADS: Mapping[str, Check] = {
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "daemonsets.apps": _daemon_set,
    "statefulsets.apps": _stateful_set,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
}
"""What is checked, by resource: the new object and, on update, the old one."""
