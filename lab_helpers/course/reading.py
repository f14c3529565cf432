"""Lab folders to values: ``lab.yaml``, ``predictions.yaml``, ``tasks/*.yaml``.

Every error names file, line and field. Unknown fields are errors, so a misspelt check cannot pass for no check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lab_helpers.course import tasks
from lab_helpers.course.api import KINDS
from lab_helpers.course.errors import CourseError, TaskFileError
from lab_helpers.course.limitations import LIMITATIONS
from lab_helpers.course.obstacles import FAILED, NOT_APPLIED, REFUSED
from lab_helpers.course.probing import Probe
from lab_helpers.course.workloads import Workload
from lab_helpers.views.verdicts import Outcome

__all__ = ["read_lab", "read_predictions", "read_task"]

T = TypeVar("T")

_CURL = "curl -s -o /dev/null --connect-timeout 1 --max-time 3 -w '%{{http_code}}' {url}"
_MISSING = object()


class _Node:
    """A mapping of a file, with the place of each field; fields not taken are reported by ``done``."""

    def __init__(self, data: Any, file: Path, path: str) -> None:
        self._marks: Any = getattr(data, "lc", None)
        if not isinstance(data, Mapping):
            raise TaskFileError(f"expected fields here, found {type(data).__name__}", where=f"{file}, {path or 'top'}")
        self._data, self.file, self.path = data, file, path
        self._taken: set[str] = set()

    def error(self, field: str, what: str) -> TaskFileError:
        """An error about one field."""
        line = ""
        marks = getattr(self._marks, "data", None) or {}
        if field in marks:
            line = f":{marks[field][0] + 1}"
        elif self._marks is not None and self._marks.line is not None:
            line = f":{self._marks.line + 1}"
        at = ".".join(part for part in (self.path, field) if part)
        return TaskFileError(what, where=f"{self.file}{line}, field {at}")

    def take(self, field: str, kind: type[T] | tuple[type[T], ...], default: Any = _MISSING) -> T:
        """The value of a field; without ``default`` it must be there."""
        self._taken.add(field)
        if field not in self._data:
            if default is _MISSING:
                raise self.error(field, f'the field "{field}" is missing')
            return default  # type: ignore[no-any-return]
        value = self._data[field]
        if not isinstance(value, kind):
            names = " or ".join(item.__name__ for item in (kind if isinstance(kind, tuple) else (kind,)))
            raise self.error(field, f'"{field}" must be {names}, not {type(value).__name__}')
        return value

    def text(self, field: str, default: Any = _MISSING) -> str:
        """A text field, without blanks at its ends."""
        return str(self.take(field, str, default)).strip()

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of texts; empty when absent."""
        return tuple(str(item).strip() for item in self.take(field, list, []))

    def nodes(self, field: str) -> list[_Node]:
        """A list of mappings; empty when absent."""
        items = self.take(field, list, [])
        return [_Node(item, self.file, f"{self.path}{field}[{index}]") for index, item in enumerate(items)]

    def node(self, field: str) -> _Node:
        """A mapping."""
        return _Node(self.take(field, Mapping), self.file, f"{self.path}.{field}".lstrip("."))

    def has(self, field: str) -> bool:
        """Is the field there?"""
        return field in self._data

    def done(self, value: T) -> T:
        """``value``, if every field was taken."""
        unknown = [str(key) for key in self._data if key not in self._taken]
        if unknown:
            raise self.error(unknown[0], f'unknown field "{unknown[0]}"; known here: {", ".join(sorted(self._taken))}')
        return value

    def rest(self) -> dict[str, Any]:
        """The fields not taken yet."""
        left = {str(key): value for key, value in self._data.items() if key not in self._taken}
        self._taken.update(left)
        return left


def read_lab(folder: Path) -> tasks.Outline:
    """Read a lab's folder. Raises TaskFileError."""
    node = _load(folder / "lab.yaml")
    found = {task.name: task for task in map(read_task, sorted((folder / "tasks").glob("*.yaml")))}
    order = node.texts("tasks")
    if sorted(order) != sorted(found):
        raise node.error("tasks", f"the order names {', '.join(order)}; the folder has {', '.join(found)}")
    return node.done(
        tasks.Outline(
            number=node.text("number"),
            name=node.text("name"),
            title=node.text("title"),
            minutes=node.take("minutes", int),
            start=_enum(node, "start", tasks.Stage),
            goals=node.texts("goals"),
            tasks={name: found[name] for name in order},
            predictions=read_predictions(folder / "predictions.yaml"),
            cilium=node.text("cilium", ""),
            parts=node.texts("parts"),
        )
    )


def read_predictions(file: Path) -> dict[str, tasks.Prediction]:
    """Read a lab's predictions; none when there is no file. Raises TaskFileError."""
    if not file.exists():
        return {}
    found = [_prediction(node) for node in _load(file).nodes("predictions")]
    return {prediction.name: prediction for prediction in found}


def read_task(file: Path) -> tasks.Task:
    """Read one task. Raises TaskFileError."""
    node = _load(file)
    checks = tuple(_check(item) for item in node.nodes("checks"))
    task = node.done(
        tasks.Task(
            name=node.text("task"),
            title=node.text("title"),
            kind=_enum(node, "kind", tasks.TaskKind),
            statement=node.text("statement"),
            starter=node.text("starter") + "\n",
            solution=node.text("solution") + "\n",
            begins_with=node.text("begins_with", ""),
            begins_after=node.text("begins_after", ""),
            hints=node.texts("hints"),
            checks=checks,
            diagnoses=tuple(_diagnosis(item) for item in node.nodes("diagnoses")),
            wrong=tuple(_wrong(item) for item in node.nodes("wrong")),
        )
    )
    if task.name != file.stem:
        raise node.error("task", f'the task is called "{task.name}", its file "{file.name}"')
    if not checks:
        raise node.error("checks", "a task needs at least one check")
    keys = {check.key for check in checks} | {diagnosis.key for diagnosis in task.diagnoses}
    keys |= {NOT_APPLIED, REFUSED, FAILED}
    for wrong in task.wrong:
        if wrong.hinted not in keys:
            raise node.error("wrong", f'wrong answer "{wrong.name}" names an unknown diagnosis "{wrong.hinted}"')
    return task


def _load(file: Path) -> _Node:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML().load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaskFileError(f"cannot be read: {error.strerror or error}", where=str(file)) from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise TaskFileError(f"not YAML: {getattr(error, 'problem', error)}", where=f"{file}{line}") from error
    return _Node(data, file, "")


def _enum(node: _Node, field: str, kind: Callable[[str], T]) -> T:
    value = node.text(field)
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(item.value for item in kind)  # type: ignore[attr-defined]
        raise node.error(field, f'"{value}" is none of {known}') from None


def _prediction(node: _Node) -> tasks.Prediction:
    options = node.take("options", Mapping)
    prediction = tasks.Prediction(
        name=node.text("name"),
        question=node.text("question"),
        options=tuple((str(value), str(words).strip()) for value, words in options.items()),
        answer=node.text("answer"),
        why=node.text("why"),
        proof=tuple(_check(item) for item in node.nodes("proof")),
        limitation=node.take("limitation", str, ""),
    )
    if prediction.answer not in options:
        raise node.error("answer", f'"{prediction.answer}" is not among the options')
    if prediction.limitation and prediction.limitation not in LIMITATIONS:
        raise node.error("limitation", f'"{prediction.limitation}" is not one of {", ".join(LIMITATIONS)}')
    return node.done(prediction)


def _diagnosis(node: _Node) -> tasks.Diagnosis:
    return node.done(
        tasks.Diagnosis(
            key=node.text("key"),
            hint=node.text("hint"),
            failed=frozenset(node.texts("failed")),
            passed=frozenset(node.texts("passed")),
            objects=tuple(_object(item, "object", "", "") for item in node.nodes("objects")),
            output=_pattern(node, "output"),
        )
    )


def _wrong(node: _Node) -> tasks.WrongAnswer:
    return node.done(tasks.WrongAnswer(node.text("name"), node.text("answer") + "\n", node.text("hinted")))


def _check(node: _Node) -> tasks.Check:
    key, says, hint = node.text("key"), node.text("says"), node.text("hint", "")
    kinds = [kind for kind in ("probe", "flow", "object", "output", "history") if node.has(kind)]
    if len(kinds) != 1:
        raise node.error("key", f'check "{key}" must have exactly one of probe, flow, object, output, history')
    inner = node.node(kinds[0])
    check: tasks.Check
    if kinds[0] == "probe":
        check = _probe_check(inner, key, says, hint)
    elif kinds[0] == "flow":
        check = tasks.FlowCheck(key, says, hint, _probe(inner), inner.rest())
    elif kinds[0] == "output":
        check = _output(inner, key, says, hint)
    elif kinds[0] == "history":
        least, most = inner.take("at_least", int, 0), inner.take("at_most", int, None)
        check = tasks.HistoryCheck(key, says, hint, tuple(inner.rest().items()), least, most)
    else:
        check = _object(inner, key, says, hint)
    return node.done(check)


def _pattern(node: _Node, field: str) -> str:
    pattern = node.text(field, "")
    try:
        re.compile(pattern)
    except re.error as error:
        raise node.error(field, f"not a regular expression: {error}") from None
    return pattern


def _output(node: _Node, key: str, says: str, hint: str) -> tasks.OutputCheck:
    patterns = {name: _pattern(node, name) for name in ("every", "never", "some")}
    return node.done(tasks.OutputCheck(key, says, hint, node.take("at_least", int, 1), **patterns))


def _probe_check(node: _Node, key: str, says: str, hint: str) -> tasks.ProbeCheck:
    probe, output = _probe(node), node.text("output", "")
    everywhere = node.take("everywhere", bool, False)
    wanted = node.take("expect", (str, int, list))
    if isinstance(wanted, int):
        return node.done(
            tasks.ProbeCheck(key, says, hint, probe, (Outcome.ANSWERED, Outcome.FORBIDDEN), str(wanted), everywhere)
        )
    values = wanted if isinstance(wanted, list) else [wanted]
    try:
        expect = tuple(Outcome(str(value)) for value in values)
    except ValueError:
        known = ", ".join(item.value for item in Outcome)
        raise node.error("expect", f"{values} has a word that is none of {known}") from None
    return node.done(tasks.ProbeCheck(key, says, hint, probe, expect, output, everywhere))


def _probe(node: _Node) -> Probe:
    try:
        source = Workload.parse(node.text("from"))
    except CourseError as error:
        raise node.error("from", error.what) from None
    if node.has("url") == node.has("run"):
        raise node.error("from", 'a probe has either "url" or "run"')
    command = _CURL.format(url=node.text("url")) if node.has("url") else node.text("run")
    return Probe(source, command)


def _object(node: _Node, key: str, says: str, hint: str) -> tasks.ObjectCheck:
    kind = node.text("kind")
    if kind not in KINDS:
        raise node.error("kind", f'unknown kind "{kind}"')
    fields = node.take("fields", Mapping, {})
    return node.done(
        tasks.ObjectCheck(
            key=key,
            says=says,
            hint=hint,
            kind=kind,
            namespace=node.text("namespace", ""),
            name=node.text("name", ""),
            selector=node.text("selector", ""),
            fields=tuple((str(path), _plain(value)) for path, value in fields.items()),
            absent=node.take("absent", bool, False),
            every=node.take("every", bool, False),
            count=node.take("count", int, None),
        )
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return tuple(_plain(item) for item in value) if isinstance(value, list) else value
