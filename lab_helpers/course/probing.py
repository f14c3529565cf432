"""Real connections from real pods, and what became of them.

A denial is an outcome, not an error, and so is a pod that is not there. The flows that explain an outcome are those
Hubble saw at the pod between the last flow before the probe and now, so clocks need not agree.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from lab_helpers.course.api import Api, Executed
from lab_helpers.course.errors import ProbeError
from lab_helpers.course.observing import FlowSource, Observation
from lab_helpers.course.workloads import PodRef, Workload, is_ready, pods_of, running_pod
from lab_helpers.views.attempts import Attempt
from lab_helpers.views.verdicts import Outcome

__all__ = ["Probe", "Prober", "classify"]

_CURL: Final = {
    6: Outcome.NO_NAME,
    7: Outcome.REFUSED,
    28: Outcome.TIMEOUT,
}
_ADDRESS = re.compile(r"\{ip:([^}]+)\}")
_PARALLEL: Final = 8
_TIMED_OUT = re.compile(r"timed? ?out|timeout", re.IGNORECASE)
_REFUSED = re.compile(r"connection refused", re.IGNORECASE)
_NO_NAME = re.compile(r"can't resolve|could not resolve|bad address|name or service not known|NXDOMAIN", re.IGNORECASE)
_LOST_PINGS = re.compile(r"100(\.0+)?% packet loss")
_SOME_MESSAGES = re.compile(r"Processed a total of [1-9]")
_STATUS = re.compile(r"(?:^|\D)403\s*$")


@dataclass(frozen=True, slots=True)
class Probe:
    """``command`` is run by the shell of a pod of ``source``.

    ``{ip:shop/backend}`` in it stands for the address of a pod of that workload, ``{ip:shop/backend@elsewhere}`` for
    that of a pod on another node than the one that runs the command.
    """

    source: Workload
    command: str
    timeout: float = 30.0


class Prober:
    """Runs probes through the Kubernetes API; ``flows`` None means Hubble is not looked at.

    Make a new one for each round of probes: it remembers which pod stands for a workload.
    """

    def __init__(self, api: Api, flows: FlowSource | None = None) -> None:
        self._api = api
        self._flows = flows
        self._pods: dict[Workload, PodRef] = {}
        self._lock = threading.Lock()

    def run(self, probe: Probe, *, explain: bool = True) -> Attempt:
        """Run one probe; with ``explain`` its flows are read. What cannot be run comes back as ``Outcome.NOT_RUN``."""
        try:
            return self._run(probe, explain=explain)
        except ProbeError as error:
            return Attempt(str(probe.source), "", probe.command, -1, "", Outcome.NOT_RUN, 0.0, note=str(error))

    def run_all(self, probes: Sequence[Probe]) -> list[Attempt]:
        """Run probes side by side, in the order given, without their flows."""
        if len(probes) <= 1:
            return [self.run(probe, explain=False) for probe in probes]
        with ThreadPoolExecutor(min(_PARALLEL, len(probes))) as pool:
            return list(pool.map(lambda probe: self.run(probe, explain=False), probes))

    def run_everywhere(self, probe: Probe) -> list[Attempt]:
        """Run one probe in every ready pod of its workload, side by side, without flows."""
        pods = [item["metadata"] for item in pods_of(self._api, probe.source) if is_ready(item)]
        each = [dataclasses.replace(probe, source=Workload(one["namespace"], one["name"])) for one in pods]
        return self.run_all(each) or [self.run(probe, explain=False)]

    def _run(self, probe: Probe, *, explain: bool) -> Attempt:
        pod = self._pod(probe.source)
        observation = Observation.begin(self._flows, pod) if explain and self._flows else None
        command = _ADDRESS.sub(lambda match: self._address(match[1], pod), probe.command)
        done = self._api.execute(pod.namespace, pod.name, ["sh", "-c", command], timeout=probe.timeout)
        outcome = classify(command, done)
        flows, note = ((), "") if observation is None else observation.end()
        return Attempt(
            source=str(probe.source),
            pod=pod.name,
            command=command,
            exit_code=done.exit_code,
            output=done.stdout + done.stderr,
            outcome=outcome,
            seconds=done.seconds,
            flows=flows,
            note=note,
        )

    def _address(self, target: str, caller: PodRef) -> str:
        name, _, place = target.partition("@")
        if place == "elsewhere":
            return running_pod(self._api, Workload.parse(name), not_on=caller.node).ip
        return self._pod(Workload.parse(name)).ip

    def _pod(self, workload: Workload) -> PodRef:
        with self._lock:
            known = self._pods.get(workload)
        if known is None:
            known = running_pod(self._api, workload)
            with self._lock:
                self._pods[workload] = known
        return known


def classify(command: str, done: Executed) -> Outcome:
    """What the caller experienced, from exit code and words of curl, wget, nc, ping, nslookup and dig.

    A probe that prints nothing but the HTTP status (``-w '%{http_code}'``) tells a 403 from an answer.
    """
    program = _program(command)
    said = done.stdout + done.stderr
    if "/kafka-console-" in command and (outcome := _classify_kafka(said)) is not None:
        return outcome
    if done.exit_code == 0:
        if program in ("nslookup", "dig") and _NO_NAME.search(said):
            return Outcome.NO_NAME
        forbidden = _STATUS.search(done.stdout) or done.stdout.rstrip().endswith("Access denied")
        return Outcome.FORBIDDEN if program == "curl" and forbidden else Outcome.ANSWERED
    if program == "curl" and done.exit_code in _CURL:
        return _CURL[done.exit_code]
    if _NO_NAME.search(said):
        return Outcome.NO_NAME
    if _REFUSED.search(said):
        return Outcome.REFUSED
    if _TIMED_OUT.search(said) or _LOST_PINGS.search(said) or (program == "nc" and not said.strip()):
        return Outcome.TIMEOUT
    if program in ("wget", "curl") and re.search(r"\b403\b", said):
        return Outcome.FORBIDDEN
    return Outcome.FAILED


def _classify_kafka(said: str) -> Outcome | None:
    """Kafka's console clients end with 0 whatever happened; their last exception tells. None: as for any program."""
    if "errors.TopicAuthorizationException" in said:
        return Outcome.NOT_AUTHORIZED
    if "errors.TimeoutException" in said and not _SOME_MESSAGES.search(said):
        return Outcome.TIMEOUT
    return None


def _program(command: str) -> str:
    """The base name of the last program of a simple command line; words like ``timeout 3`` in front are skipped."""
    try:
        words = shlex.split(command.split("|")[0])
    except ValueError:
        return ""
    while words and (words[0] in ("timeout", "time") or "=" in words[0] or words[0].replace(".", "").isdigit()):
        words.pop(0)
    return words[0].rpartition("/")[2] if words else ""
