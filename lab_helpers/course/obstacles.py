"""What kept an answer from having any effect, as a hint.

Broken YAML, a misspelt field, a command that fails, a policy that Cilium refuses: the cluster is as it was, so hints
about its behaviour would lead astray.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from lab_helpers.course.answering import Answer
from lab_helpers.course.tasks import TaskKind

__all__ = ["ELSEWHERE", "FAILED", "NOT_APPLIED", "REFUSED", "Obstacle", "obstacle_of", "other_lab"]

NOT_APPLIED: Final = "not-applied"
"""kubectl did not take the manifest."""
REFUSED: Final = "refused-by-cilium"
"""The API server stored the policy, and Cilium does not enforce it."""
FAILED: Final = "command-failed"
"""A line of the learner's shell cell ended with an error."""
ELSEWHERE: Final = "other-lab"
"""Another lab was started on the cluster since."""

_LONGEST: Final = 240
_ADVICE: Final = (
    (r"unknown escape", "In double quotes a backslash is special; use single quotes."),
    (
        r"YAML|parsing",
        "Look at that line and the one before: indented with blanks, never with tabs? every bracket and quote closed?",
    ),
    (r"unknown field", "The field is misspelt, or stands at the wrong depth."),
    (r'of type string: "array"', "One value belongs there, no list."),
    (r"of type string", "Write the value in quotes."),
    (r"of type integer", "Write the number without quotes."),
    (r"of type array", "A list belongs there, `[…]` or lines that begin with a dash."),
)
_BEFORE_THE_POINT: Final = re.compile(r"^.*(?:strict decoding error|error converting YAML to JSON|is invalid): ")


class Obstacle(NamedTuple):
    """``key`` is one of the constants above."""

    key: str
    hint: str


def obstacle_of(answer: Answer, kind: TaskKind) -> Obstacle | None:
    """What stood in the way of ``answer``; None when it reached the cluster and was accepted."""
    if answer.ran.exit_code != 0:
        said = _point(answer.ran.output)
        quoted = f": `{said}`." if said else "."
        if kind is TaskKind.SHELL:
            return Obstacle(FAILED, f"A command of the cell ended with an error{quoted}")
        advice = next((text for pattern, text in _ADVICE if re.search(pattern, answer.ran.output)), "")
        return Obstacle(
            NOT_APPLIED, f"kubectl did not take the manifest, so nothing has changed{quoted} {advice}".strip()
        )
    if answer.refused:
        said = answer.refused[0].strip().splitlines()[0][:_LONGEST]
        return Obstacle(REFUSED, f"Cilium refused the policy (`Valid` is `False`), so it is not enforced: `{said}`.")
    return None


def other_lab(current: str, own: str) -> Obstacle | None:
    """Is the cluster prepared for ``current``, another lab than ``own``? (Empty when it never was for any.)"""
    if current in ("", own):
        return None
    again = "run this notebook's first cell again, which brings this lab to its start"
    return Obstacle(ELSEWHERE, f"The cluster was prepared for another lab since, `{current}`. To go on here, {again}.")


def _point(output: str) -> str:
    """The line of kubectl's or another tool's output that says what is wrong, without what leads up to it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    listed = next((line[2:] for line in lines if line.startswith("* ")), "")
    told = next((line for line in lines if re.search(r"error|invalid|not found|unknown", line, re.IGNORECASE)), "")
    chosen = listed or told or (lines[-1] if lines else "")
    if chosen.endswith(":") and chosen in lines:  # what is wrong is in the lines after it
        after = lines[lines.index(chosen) + 1 :]
        chosen = " ".join([chosen, *after[:2]])
    return _BEFORE_THE_POINT.sub("", chosen)[:_LONGEST].replace("`", "'").rstrip(".")
