"""Jobs: pods until enough of them succeeded (kubernetes pkg/controller/job). CronJobs are stored, never run."""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.controllers.controlling import Controller
from lab_helpers.twin.controllers.pods import condition, is_active, is_ready, moment, phase
from lab_helpers.twin.controllers.templates import pod_from_template
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["Jobs"]

COMPONENT = "job-controller"
FIRST_DELAY = 10.0
LAST_DELAY = 600.0
INDEX = "batch.kubernetes.io/job-completion-index"


class Jobs(Controller):
    """Starts pods, counts the finished ones, ends the Job."""

    name = COMPONENT
    primary = "jobs.batch"
    watches = frozenset({"jobs.batch", "pods"})

    def observe(self, change: Change) -> None:
        """A Job, or a pod of one."""
        if change.key.resource == self.primary:
            self.enqueue(change.key)
        else:
            self.enqueue_controller(change.object, "Job", self.primary)

    def reconcile(self, key: Key) -> None:
        """Count, decide whether it is over, else start or stop pods."""
        job = self.registry.find(self.primary, key.name, key.namespace)
        if job is None or job["metadata"].get("deletionTimestamp"):
            return
        over = _end(job)
        if over is not None:
            self._expire(key, job, over)
            return
        pods = self.indexes.owned(job["metadata"]["uid"], "pods")
        status = dict(job.get("status") or {})
        self._suspend(job, status)
        done = [pod for pod in pods if phase(pod) == "Succeeded"]
        failed = [pod for pod in pods if phase(pod) == "Failed"]
        active = [pod for pod in pods if is_active(pod)]
        verdict = self._verdict(job, status, done, failed)
        if verdict is not None:
            self._finish(key, job, status, verdict, active, (len(done), len(failed)))
            return
        wait = self._fill(job, active, done, failed)
        active = [pod for pod in self.indexes.owned(job["metadata"]["uid"], "pods") if is_active(pod)]
        self._write(key, status, active, len(done), len(failed))
        deadline = job["spec"].get("activeDeadlineSeconds")
        if deadline is not None and not job["spec"].get("suspend"):
            left = float(deadline) - self._age(status)
            wait = left if wait is None else min(wait, left)
        if wait is not None:
            self.enqueue(key, wait)

    def _suspend(self, job: Object, status: dict[str, Any]) -> None:
        """Say that the Job is suspended or goes on; its time starts when it first runs, and again when it goes on."""
        found = condition({"status": status}, "Suspended")
        was, suspended = found is not None and found["status"] == "True", bool(job["spec"].get("suspend"))
        if was != suspended:
            word = "Suspended" if suspended else "Resumed"
            now, message = self.clock.timestamp(), f"Job {word.lower()}"
            entry = {
                "type": "Suspended",
                "status": str(suspended),
                "lastProbeTime": now,
                "lastTransitionTime": now,
                "reason": f"Job{word}",
                "message": message,
            }
            status["conditions"] = [*_others(status, "Suspended"), entry]
            self.recorder.event(job, word, message, component=COMPONENT)
        if not suspended and (was or "startTime" not in status):
            status["startTime"] = self.clock.timestamp()

    def _age(self, status: dict[str, Any]) -> float:
        return (self.clock.now() - moment(status["startTime"])).total_seconds()

    def _verdict(
        self, job: Object, status: dict[str, Any], done: list[Object], failed: list[Object]
    ) -> tuple[str, str, str] | None:
        """The end of the Job, if it has come: condition, reason, message."""
        spec = job["spec"]
        if len(failed) > spec.get("backoffLimit", 6) or self._restarted_too_often(job):
            return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is not None and not spec.get("suspend") and self._age(status) >= deadline:
            return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
        completions = spec.get("completions")
        if completions is None and "parallelism" not in spec:
            completions = 1
        indexed = spec.get("completionMode") == "Indexed"
        reached = len({_index(pod) for pod in done}) if indexed else len(done)
        running = any(is_active(pod) for pod in self.indexes.owned(job["metadata"]["uid"], "pods"))
        if (completions is None and done and not running) or (completions is not None and reached >= completions):
            return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
        return None

    def _restarted_too_often(self, job: Object) -> bool:
        """With ``restartPolicy: OnFailure`` a pod never fails; the restarts of its containers are counted instead."""
        spec = job["spec"]
        if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        restarts = sum(
            int(container.get("restartCount", 0))
            for pod in self.indexes.owned(job["metadata"]["uid"], "pods")
            if phase(pod) in ("Pending", "Running")
            for name in ("initContainerStatuses", "containerStatuses")
            for container in (pod.get("status") or {}).get(name) or ()
        )
        return restarts >= max(int(spec.get("backoffLimit", 6)), 1)

    def _fill(self, job: Object, active: list[Object], done: list[Object], failed: list[Object]) -> float | None:
        """Start or stop pods; seconds to wait when failures delay the next one."""
        spec = job["spec"]
        parallelism, completions = spec.get("parallelism", 1), spec.get("completions")
        if completions is None and "parallelism" not in spec:
            completions = 1
        if spec.get("suspend"):
            parallelism = 0
        wanted = parallelism if completions is None else min(parallelism, completions - len(done))
        if completions is None and done:
            wanted = min(wanted, len(active))
        for pod in active[max(wanted, 0) :]:
            self._delete(job, pod)
        missing = wanted - len(active)
        if missing <= 0:
            return None
        wait = self._delay(failed, done)
        if wait > 0:
            return wait
        taken = {_index(pod) for pod in [*active, *done]}
        free = iter([number for number in range(completions or 0) if str(number) not in taken])
        for _ in range(missing):
            self._create(job, next(free, None) if spec.get("completionMode") == "Indexed" else None)
        return None

    def _delay(self, failed: list[Object], done: list[Object]) -> float:
        """After failures the next pod waits 10 s, doubling up to ten minutes; a success ends the series."""
        ends = sorted(_finished_at(pod) for pod in failed)
        success = max((_finished_at(pod) for pod in done), default="")
        series = [end for end in ends if end > success]
        if not series:
            return 0.0
        delay = min(FIRST_DELAY * 2.0 ** (len(series) - 1), LAST_DELAY)
        return delay - (self.clock.now() - moment(series[-1])).total_seconds()

    def _create(self, job: Object, index: int | None) -> None:
        metadata = job["metadata"]
        labels = {
            "batch.kubernetes.io/controller-uid": metadata["uid"],
            "batch.kubernetes.io/job-name": metadata["name"],
            "controller-uid": metadata["uid"],
            "job-name": metadata["name"],
        }
        annotations = {}
        if index is not None:
            labels[INDEX] = annotations[INDEX] = str(index)
        body = pod_from_template(job, job["spec"]["template"], labels=labels, annotations=annotations)
        if index is not None:
            body["metadata"]["generateName"] = f"{metadata['name']}-{index}-"
            body["spec"]["hostname"] = f"{metadata['name']}-{index}"
            for container in body["spec"]["containers"]:
                variable = {"name": "JOB_COMPLETION_INDEX", "value": str(index)}
                container["env"] = [*(container.get("env") or ()), variable]
        pod = self.registry.create("pods", body, metadata["namespace"])
        message = f"Created pod: {pod['metadata']['name']}"
        self.recorder.event(job, "SuccessfulCreate", message, component=COMPONENT)

    def _delete(self, job: Object, pod: Object) -> None:
        metadata = pod["metadata"]
        self.registry.delete("pods", metadata["name"], metadata["namespace"], uid=metadata["uid"])
        self.recorder.event(job, "SuccessfulDelete", f"Deleted pod: {metadata['name']}", component=COMPONENT)

    def _finish(
        self,
        key: Key,
        job: Object,
        status: dict[str, Any],
        verdict: tuple[str, str, str],
        active: list[Object],
        counts: tuple[int, int],
    ) -> None:
        name, reason, message = verdict
        for pod in active:
            self._delete(job, pod)
        now = self.clock.timestamp()
        before = "SuccessCriteriaMet" if name == "Complete" else "FailureTarget"
        status["conditions"] = _others(status, before, name) + [
            {
                "type": kind,
                "status": "True",
                "lastProbeTime": now,
                "lastTransitionTime": now,
                "reason": reason,
                "message": message,
            }
            for kind in (before, name)
        ]
        if name == "Complete":
            status["completionTime"] = now
            self.recorder.event(job, "Completed", "Job completed", component=COMPONENT)
        else:
            self.recorder.event(job, reason, message, component=COMPONENT, kind="Warning")
        self._write(key, status, [], *counts)

    def _write(self, key: Key, status: dict[str, Any], active: list[Object], done: int, failed: int) -> None:
        for field, count in (("active", len(active)), ("succeeded", done), ("failed", failed)):
            if count:
                status[field] = count
            else:
                status.pop(field, None)
        status["ready"] = sum(is_ready(pod) for pod in active)
        status["terminating"] = 0
        status["uncountedTerminatedPods"] = {}
        self.write_status(self.primary, self.registry.get(self.primary, key.name, key.namespace), status)

    def _expire(self, key: Key, job: Object, over: dict[str, Any]) -> None:
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is None:
            return
        left = float(seconds) - (self.clock.now() - moment(over["lastTransitionTime"])).total_seconds()
        if left <= 0:
            self.registry.delete(self.primary, key.name, key.namespace)
        else:
            self.enqueue(key, left)


def _others(status: dict[str, Any], *types: str) -> list[dict[str, Any]]:
    """The conditions of other types."""
    return [item for item in status.get("conditions") or () if item["type"] not in types]


def _end(job: Object) -> dict[str, Any] | None:
    """The condition that says it is over."""
    for name in ("Complete", "Failed"):
        found = condition(job, name)
        if found is not None and found["status"] == "True":
            return found
    return None


def _index(pod: Object) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(INDEX, ""))


def _finished_at(pod: Object) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ends = [item["state"]["terminated"]["finishedAt"] for item in statuses if "terminated" in item.get("state", {})]
    return max(ends, default=str(pod["metadata"]["creationTimestamp"]))
