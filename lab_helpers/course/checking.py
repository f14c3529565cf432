"""Checks against the cluster: probes are run, flows read, objects looked at; the result is a value.

A check that just failed is tried again for a moment after an answer was applied: a real cluster needs a second until a
policy is in the dataplane. Nothing here raises for a denial, an absent object or an unreachable Hubble.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from lab_helpers.course.api import Api, Resource
from lab_helpers.course.errors import CourseError
from lab_helpers.course.fields import matches, select
from lab_helpers.course.observing import FlowSource
from lab_helpers.course.obstacles import ELSEWHERE, FAILED, NOT_APPLIED, REFUSED, Obstacle
from lab_helpers.course.probing import Prober
from lab_helpers.course.surveying import flow_table
from lab_helpers.course.tasks import (
    Check,
    Diagnosis,
    FlowCheck,
    HistoryCheck,
    ObjectCheck,
    OutputCheck,
    ProbeCheck,
    Task,
)
from lab_helpers.views.attempts import Attempt
from lab_helpers.views.display import Tones, View, badge, cell_text
from lab_helpers.views.verdicts import Outcome

__all__ = ["SETTLING", "CheckResult", "Evidence", "check_task", "evaluate"]

SETTLING: Final = 1.5
"""Seconds after applying an answer during which failed checks are tried again."""


_MANY: Final = 10_000


class Evidence(NamedTuple):
    """What one check found."""

    key: str
    says: str
    passed: bool
    found: str


@dataclass(frozen=True, slots=True)
class CheckResult(View):
    """``hint`` and ``hinted`` (the key of the diagnosis or check it comes from) are empty when ``passed``."""

    title: str
    passed: bool
    evidence: tuple[Evidence, ...]
    hint: str = ""
    hinted: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return self.passed

    def text(self) -> str:
        """Verdict, evidence, hint."""
        lines = [f"{self._tone().icon} {self._word()}: {self.title}"]
        lines += [f"  {'✔' if item.passed else '✖'} {item.says}: {item.found}" for item in self.evidence]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def body(self) -> str:
        """A panel."""
        rows = "".join(
            f"<li>{badge((Tones.GOOD if item.passed else Tones.BAD).value, 'yes' if item.passed else 'no')}"
            f" {cell_text(item.says)} <span class='cl-faint'>{cell_text(item.found)}</span></li>"
            for item in self.evidence
        )
        hint = f"<p><b>Hint:</b> {cell_text(self.hint)}</p>" if self.hint else ""
        tone = self._tone()
        return (
            f'<div class="cl-panel {tone.css}"><h4>{badge(tone, self._word())} {cell_text(self.title)}</h4>'
            f'<ul style="list-style:none;padding-left:.4em">{rows}</ul>{hint}</div>'
        )

    def _tone(self) -> Any:
        return (Tones.GOOD if self.passed else Tones.NOTE).value

    def _word(self) -> str:
        return "passed" if self.passed else "not passed yet"


def check_task(
    api: Api,
    flows: FlowSource | None,
    task: Task,
    *,
    settling: float = 0.0,
    output: str | None = None,
    obstacle: Obstacle | None = None,
) -> CheckResult:
    """Check a task; failed checks are repeated for ``settling`` seconds, and once however long the first round took.
    ``output`` is what the learner's command printed, ``obstacle`` what kept the last answer from having an effect.
    """
    deadline = time.monotonic() + settling
    evidence = evaluate(api, flows, task.checks, output)
    once_more = settling > 0
    while _may_still_pass(task, evidence) and (once_more or time.monotonic() < deadline):
        once_more = False
        time.sleep(0.2)
        evidence = evaluate(api, flows, task.checks, output)
    if all(item.passed for item in evidence):
        return CheckResult(task.title, True, evidence)
    hinted, hint = _hint(api, task, evidence, output or "", obstacle)
    return CheckResult(task.title, False, evidence, hint, hinted)


def _may_still_pass(task: Task, evidence: Sequence[Evidence]) -> bool:
    """Is there a failed check that looks at the cluster? What a command has printed does not change."""
    failed = [check for check, item in zip(task.checks, evidence, strict=True) if not item.passed]
    return any(not isinstance(check, OutputCheck) for check in failed)


def evaluate(
    api: Api, flows: FlowSource | None, checks: Sequence[Check], output: str | None = None
) -> tuple[Evidence, ...]:
    """The evidence of each check, in order. Probes without flows run side by side."""
    prober = Prober(api, flows)
    probes = [check for check in checks if isinstance(check, ProbeCheck) and not check.everywhere]
    done = prober.run_all([check.probe for check in probes])
    attempts = {check.key: attempt for check, attempt in zip(probes, done, strict=True)}
    return tuple(_evidence(api, prober, check, attempts, flows, output) for check in checks)


def _evidence(
    api: Api,
    prober: Prober,
    check: Check,
    attempts: dict[str, Attempt],
    flows: FlowSource | None,
    output: str | None,
) -> Evidence:
    try:
        if isinstance(check, ProbeCheck) and check.everywhere:
            passed, found = _judge_everywhere(check, prober.run_everywhere(check.probe))
        elif isinstance(check, ProbeCheck):
            passed, found = _judge_probe(check, attempts[check.key])
        elif isinstance(check, FlowCheck):
            passed, found = _judge_flows(check, prober.run(check.probe))
        elif isinstance(check, OutputCheck):
            passed, found = _judge_output(check, output)
        elif isinstance(check, HistoryCheck):
            passed, found = _judge_history(check, flows)
        else:
            passed, found = _judge_objects(api, check)
    except CourseError as error:
        passed, found = False, error.what
    return Evidence(check.key, check.says, passed, found)


def _judge_probe(check: ProbeCheck, attempt: Attempt) -> tuple[bool, str]:
    if attempt.outcome is Outcome.NOT_RUN:
        return False, attempt.note.splitlines()[0]
    passed = attempt.outcome in check.expect and (not check.output or check.output in attempt.output)
    found = f"{attempt.source} got: {attempt.outcome.words}"
    said = attempt.output.strip()
    if said and len(said) <= 40 and attempt.outcome in (Outcome.ANSWERED, Outcome.FORBIDDEN):
        found += f" ({said})"
    return passed, found


def _judge_everywhere(check: ProbeCheck, attempts: Sequence[Attempt]) -> tuple[bool, str]:
    judged = [_judge_probe(check, attempt) for attempt in attempts]
    wrong = next((found for passed, found in judged if not passed), "")
    right = sum(passed for passed, _ in judged)
    return not wrong, f"{right} of {len(judged)} pods" + (f"; {wrong}" if wrong else "")


def _judge_flows(check: FlowCheck, attempt: Attempt) -> tuple[bool, str]:
    for flow in attempt.flows:
        if all(matches([getattr(flow, name)], wanted) for name, wanted in check.fields.items()):
            left, right = flow.ends
            return True, f"{left} {flow.arrow} {right} {flow.kind} {flow.verdict}"
    wanted = ", ".join(f"{name} {value}" for name, value in check.fields.items())
    return False, attempt.note or f"none of {len(attempt.flows)} flows has {wanted}"


def _judge_output(check: OutputCheck, output: str | None) -> tuple[bool, str]:
    if output is None:
        return False, "run the task's cell first: its output is not kept over a restart"
    lines = [line for line in output.splitlines() if line.strip()]
    for line in lines:
        if check.every and not re.search(check.every, line):
            return False, f"this line does not belong there: {line[:100]}"
        if check.never and re.search(check.never, line):
            return False, f"this line should not be there: {line[:100]}"
    if check.some and not any(re.search(check.some, line) for line in lines):
        return False, "no line shows it" if lines else "nothing was printed"
    if len(lines) < check.at_least:
        return False, f"{len(lines)} lines" if lines else "nothing was printed"
    return True, f"{len(lines)} lines"


def _judge_history(check: HistoryCheck, flows: FlowSource | None) -> tuple[bool, str]:
    if flows is None:
        return False, "Hubble is not looked at"
    found = len(flow_table(flows, _MANY, dict(check.filters)))
    enough = found >= check.at_least and (check.at_most is None or found <= check.at_most)
    return enough, f"{found} flows found"


def _judge_objects(api: Api, check: ObjectCheck) -> tuple[bool, str]:
    if check.name:
        one = api.get(check.kind, check.name, check.namespace)
        found = [one] if one else []
    else:
        found = api.list(check.kind, check.namespace, check.selector)
    what = " ".join(part for part in (check.kind, f"{check.namespace}/{check.name}".strip("/")) if part)
    if check.absent:
        fitting = [item for item in found if _fits(item, check)]
        return not fitting, f"{len(fitting)} found" if fitting else "none there"
    fitting = [item for item in found if _fits(item, check)]
    if check.count is not None:
        return len(fitting) == check.count, f"{len(fitting)} found"
    if not found:
        return False, f"there is no {what}"
    passed = len(fitting) == len(found) if check.every else bool(fitting)
    return passed, _found_values(
        found[0] if len(found) == 1 else (fitting or found)[0], check, len(fitting), len(found)
    )


def _fits(item: Resource, check: ObjectCheck) -> bool:
    return all(matches(select(item, path), wanted) for path, wanted in check.fields)


def _found_values(item: Resource, check: ObjectCheck, fitting: int, total: int) -> str:
    if total > 1:
        return f"{fitting} of {total}"
    if not check.fields:
        return f"{item.get('kind', check.kind)} {item['metadata']['name']} is there"
    values = {path.rpartition(".")[2]: ", ".join(map(str, select(item, path))) or "nothing" for path, _ in check.fields}
    return "; ".join(f"{name} is {value}" for name, value in values.items())


def _hint(
    api: Api, task: Task, evidence: Sequence[Evidence], output: str, obstacle: Obstacle | None
) -> tuple[str, str]:
    """The key and words of the hint that fits best: an answer that never reached the cluster, a known mistake, a policy
    that is not in force, the first failed check.
    """
    failed = {item.key for item in evidence if not item.passed}
    passed = {item.key for item in evidence if item.passed}
    if obstacle and obstacle.key in (NOT_APPLIED, ELSEWHERE):
        return obstacle
    for diagnosis in task.diagnoses:
        said = re.search(diagnosis.output, output)
        if diagnosis.failed <= failed and diagnosis.passed <= passed and said and _objects_fit(api, diagnosis):
            return diagnosis.key, diagnosis.hint
    first = next((check for check in task.checks if check.key in failed and check.hint), None)
    if obstacle and obstacle.key == REFUSED and not _is_about_validity(first):
        return obstacle
    if obstacle and obstacle.key == FAILED and isinstance(first, OutputCheck) and output.strip():
        return obstacle  # what was printed is the error itself
    before = f"{obstacle.hint} " if obstacle and obstacle.key == FAILED else ""
    if first is None:
        return "", f"{before}Compare what was expected with what was found, line by line."
    return first.key, before + first.hint


def _is_about_validity(check: Check | None) -> bool:
    """Does the check itself ask whether Cilium accepted a policy? Then its own hint says more."""
    return isinstance(check, ObjectCheck) and any("type=Valid" in path for path, _ in check.fields)


def _objects_fit(api: Api, diagnosis: Diagnosis) -> bool:
    try:
        return all(_judge_objects(api, check)[0] for check in diagnosis.objects)
    except CourseError:
        return False
