"""Rows of Deployments, ReplicaSets, DaemonSets, StatefulSets, Jobs, CronJobs and their relatives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lab_helpers.twin.api.tables.columns import Cells, Printer, columns
from lab_helpers.twin.api.tables.formatting import (
    age,
    container_cells,
    human_duration,
    label_selector_text,
    labels_text,
    parse_time,
)

__all__ = ["WORKLOADS"]

Item = Mapping[str, Any]


def _parts(item: Item, now: datetime) -> tuple[str, str, Item, Item]:
    metadata = item["metadata"]
    return (
        metadata["name"],
        age(metadata.get("creationTimestamp"), now),
        item.get("spec") or {},
        item.get("status") or {},
    )


def _template(spec: Item) -> Item:
    return (spec.get("template") or {}).get("spec") or {}


def _deployment(item: Item, now: datetime) -> Cells:
    name, since, spec, status = _parts(item, now)
    return [
        name,
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        str(status.get("updatedReplicas", 0)),
        str(status.get("availableReplicas", 0)),
        since,
        *container_cells(_template(spec)),
        label_selector_text(spec.get("selector")),
    ]


def _replica_set(item: Item, now: datetime) -> Cells:
    name, since, spec, status = _parts(item, now)
    return [
        name,
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        since,
        *container_cells(_template(spec)),
        label_selector_text(spec.get("selector")),
    ]


def _daemon_set(item: Item, now: datetime) -> Cells:
    name, since, spec, status = _parts(item, now)
    return [
        name,
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        labels_text(_template(spec).get("nodeSelector")),
        since,
        *container_cells(_template(spec)),
        label_selector_text(spec.get("selector")),
    ]


def _stateful_set(item: Item, now: datetime) -> Cells:
    name, since, spec, status = _parts(item, now)
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [name, ready, since, *container_cells(_template(spec))]


def _job_status(item: Item, status: Item) -> str:
    true = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
    for condition, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if condition in true:
            return word
    if item["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((word for word in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if word in true), "Running")


def _job(item: Item, now: datetime) -> Cells:
    name, since, spec, status = _parts(item, now)
    succeeded = status.get("succeeded", 0)
    if spec.get("completions") is not None:
        completions = f"{succeeded}/{spec['completions']}"
    elif spec.get("parallelism", 0) > 1:
        completions = f"{succeeded}/1 of {spec['parallelism']}"
    else:
        completions = f"{succeeded}/1"
    started, ended = parse_time(status.get("startTime", "")), parse_time(status.get("completionTime", ""))
    duration = human_duration(((ended or now) - started).total_seconds()) if started else ""
    selector = label_selector_text(spec.get("selector"))
    row = [name, _job_status(item, status), completions, duration, since]
    return [*row, *container_cells(_template(spec)), selector]


def _cron_job(item: Item, now: datetime) -> Cells:
    name, since, spec, status = _parts(item, now)
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    last = status.get("lastScheduleTime")
    suspend = spec.get("suspend")
    return [
        name,
        spec.get("schedule", ""),
        spec.get("timeZone") or "<none>",
        "<unset>" if suspend is None else str(suspend),
        len(status.get("active") or ()),
        age(last, now) if last else "<none>",
        since,
        *container_cells(_template(job)),
        label_selector_text(job.get("selector")),
    ]


def _controller_revision(item: Item, now: datetime) -> Cells:
    name, since, _, _ = _parts(item, now)
    controller = "<none>"
    for owner in item["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            controller = owner["kind"].lower() + (f".{group}" if group else "") + f"/{owner['name']}"
    return [name, controller, item.get("revision", 0), since]


def _disruption_budget(item: Item, now: datetime) -> Cells:
    name, since, spec, status = _parts(item, now)
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    return [
        name,
        "N/A" if least is None else str(least),
        "N/A" if most is None else str(most),
        status.get("disruptionsAllowed", 0),
        since,
    ]


_WIDE = "Containers Images Selector"
WORKLOADS: Mapping[str, Printer] = {
    "deployments.apps": Printer(columns(f"Name Ready Up-to-date Available Age | {_WIDE}"), _deployment),
    "replicasets.apps": Printer(
        columns(f"Name Desired:integer Current:integer Ready:integer Age | {_WIDE}"), _replica_set
    ),
    "daemonsets.apps": Printer(
        columns(
            "Name Desired:integer Current:integer Ready:integer Up-to-date:integer Available:integer Node_Selector Age"
            f" | {_WIDE}"
        ),
        _daemon_set,
    ),
    "statefulsets.apps": Printer(columns("Name Ready Age | Containers Images"), _stateful_set),
    "jobs.batch": Printer(columns(f"Name Status Completions Duration Age | {_WIDE}"), _job),
    "cronjobs.batch": Printer(
        columns(f"Name Schedule Timezone Suspend:boolean Active:integer Last_Schedule Age | {_WIDE}"), _cron_job
    ),
    "controllerrevisions.apps": Printer(columns("Name Controller Revision Age"), _controller_revision),
    "poddisruptionbudgets.policy": Printer(
        columns("Name Min_Available Max_Unavailable Allowed_Disruptions:integer Age"), _disruption_budget
    ),
}
