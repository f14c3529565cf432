"""Tasks, their checks and predictions, as values.

A task file is the one source of truth for exercise and solution: what learners start from, what solves it, which
wrong answers are known, and which hint each of them gets. Checks describe behaviour; nothing here looks at the text of
an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lab_helpers.course.probing import Probe
from lab_helpers.views.verdicts import Outcome

__all__ = [
    "Check",
    "Diagnosis",
    "FlowCheck",
    "HistoryCheck",
    "ObjectCheck",
    "Outline",
    "OutputCheck",
    "Prediction",
    "ProbeCheck",
    "Stage",
    "Task",
    "TaskKind",
    "WrongAnswer",
]


class TaskKind(Enum):
    """What the learner writes."""

    MANIFEST = "manifest"
    SHELL = "shell"


class Stage(Enum):
    """Where a lab starts. Each stage includes the one before."""

    BARE = "bare"
    CILIUM = "cilium"
    SHOP = "shop"


@dataclass(frozen=True, slots=True)
class ProbeCheck:
    """``probe`` must end in one of ``expect``, and print ``output`` somewhere when that is given.

    ``everywhere``: it is run in every ready pod of the workload, and must do so in each.
    """

    key: str
    says: str
    hint: str
    probe: Probe
    expect: tuple[Outcome, ...]
    output: str = ""
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class FlowCheck:
    """Among the flows of ``probe`` there must be one whose FlowRow fields have these values."""

    key: str
    says: str
    hint: str
    probe: Probe
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ObjectCheck:
    """An object (any of the kind, or the one called ``name``) has values at these paths.

    ``absent`` wants none to exist; ``every`` wants the fields in all of them (and at least one); ``count`` so many.
    """

    key: str
    says: str
    hint: str
    kind: str
    namespace: str = ""
    name: str = ""
    selector: str = ""
    fields: tuple[tuple[str, Any], ...] = ()
    absent: bool = False
    every: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """What the learner's command printed: ``at_least`` lines, each matching ``every``, none matching ``never``.

    Both are regular expressions searched for in each line that is not blank; empty ones are not looked for.
    """

    key: str
    says: str
    hint: str
    at_least: int = 1
    every: str = ""
    never: str = ""
    some: str = ""


@dataclass(frozen=True, slots=True)
class HistoryCheck:
    """Hubble still has at least and at most so many flows that pass ``filters`` (those of ``Lab.flows``)."""

    key: str
    says: str
    hint: str
    filters: tuple[tuple[str, Any], ...]
    at_least: int = 0
    at_most: int | None = None


Check = ProbeCheck | FlowCheck | ObjectCheck | OutputCheck | HistoryCheck


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A hint for answers that fail in a certain way: these checks failed, those passed, and objects look like this.

    ``output`` is a regular expression to be found in what the learner's command printed.
    """

    key: str
    hint: str
    failed: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    objects: tuple[ObjectCheck, ...] = ()
    output: str = ""


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """A known wrong answer and the key of the diagnosis (or of the check) whose hint is meant for it."""

    name: str
    answer: str
    hinted: str


@dataclass(frozen=True, slots=True)
class Task:
    """One exercise. ``hints`` are graded: each says more than the one before."""

    name: str
    title: str
    kind: TaskKind
    statement: str
    starter: str
    solution: str
    hints: tuple[str, ...]
    checks: tuple[Check, ...]
    diagnoses: tuple[Diagnosis, ...] = ()
    wrong: tuple[WrongAnswer, ...] = ()
    begins_with: str = ""
    """A manifest that the notebook has applied before this task; tests apply it too."""
    begins_after: str = ""
    """Commands that the notebook has run before this task; tests run them too."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A question whose answer the cluster gives. ``proof`` are checks that hold exactly when ``answer`` is right;
    ``limitation`` is the key of the one (see ``limitations``) under which the cluster may answer otherwise.
    """

    name: str
    question: str
    options: tuple[tuple[str, str], ...]
    answer: str
    why: str
    proof: tuple[Check, ...] = ()
    limitation: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """A lab as its folder describes it."""

    number: str
    name: str
    title: str
    minutes: int
    start: Stage
    goals: tuple[str, ...]
    tasks: Mapping[str, Task]
    predictions: Mapping[str, Prediction]
    cilium: str = ""
    """The version of Cilium it starts on, where that is not the cluster's usual one."""
    parts: tuple[str, ...] = ()
    """Further parts of the story that it needs beside the shop (folders of ``course/shop``)."""
