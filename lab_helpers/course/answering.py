"""What the cells ``%%task`` and ``%%apply`` do: give an answer to the cluster and show what it said.

A refusal is shown, in kubectl's own words, and raises nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lab_helpers.course import shopping
from lab_helpers.course.api import KINDS, Api
from lab_helpers.course.errors import CourseError
from lab_helpers.course.fields import select
from lab_helpers.course.records import Applied
from lab_helpers.course.tasks import Task, TaskKind
from lab_helpers.course.tooling import Ran, Tools
from lab_helpers.views.display import Tones
from lab_helpers.views.panels import Detail, Panel

__all__ = ["Answer", "Answers", "objects_in"]

_VALIDATED: Final = ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")
_VALIDATION_SECONDS: Final = 2.0
_BEYOND: Final = (
    "not applied: {} would change more than the labs' namespaces, and this cluster is not the labs' own.\n"
    "try:   cilium-labs up --backend existing --cluster-wide allows it\n"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was given to the cluster, how that went, and which objects came of it."""

    text: str
    ran: Ran
    objects: tuple[Applied, ...]
    refused: tuple[str, ...] = ()
    """Messages of policies that the API server stored and Cilium refused (condition Valid is False)."""

    def panel(self, title: str, *, put_in_place: bool = False) -> Panel:
        """As shown below the cell."""
        good = self.ran.exit_code == 0 and not self.refused
        lines = tuple(f"Stored, but refused by Cilium (`Valid` is `False`): {message}" for message in self.refused)
        details = [Detail("", self.ran.output)] if self.ran.output.strip() else []
        if put_in_place:
            details.append(Detail("The solution was put in place of this cell", self.text, folded=True))
        mark = "applied" if good else "refused"
        return Panel(title, (Tones.GOOD if good else Tones.BAD).value, mark, lines, (), tuple(details))


class Answers:
    """Gives answers to one cluster."""

    def __init__(
        self, api: Api, tools: Tools, clock: Callable[[], float] = time.monotonic, *, everywhere: bool = True
    ) -> None:
        """Without ``everywhere`` only manifests for the shop's namespaces are applied: the cluster is somebody's."""
        self._everywhere = everywhere
        self._api = api
        self._tools = tools
        self._clock = clock

    def give(self, task: Task, text: str) -> Answer:
        """Apply a manifest, or run shell lines."""
        if task.kind is TaskKind.SHELL:
            return Answer(text, self._run(lambda: self._tools.shell(text)), ())
        return self.apply(text)

    def apply(self, manifest: str) -> Answer:
        """``kubectl apply``; for policies, wait for Cilium's own judgement."""
        objects = objects_in(manifest)
        beyond = [item for item in objects if not self._everywhere and item.namespace not in shopping.NAMESPACES]
        if beyond:
            return Answer(manifest, Ran(1, _BEYOND.format(", ".join(f"{i.kind} {i.name}" for i in beyond))), ())
        ran = self._run(lambda: self._tools.apply(manifest))
        refused = tuple(filter(None, (self._refusal(item) for item in objects))) if ran else ()
        return Answer(manifest, ran, objects, refused)

    def _run(self, run: Callable[[], Ran]) -> Ran:
        try:
            return run()
        except CourseError as error:
            return Ran(127, str(error))

    def _refusal(self, item: Applied) -> str:
        if item.kind not in _VALIDATED:
            return ""
        deadline = self._clock() + _VALIDATION_SECONDS
        while True:
            found = self._api.get(item.kind, item.name, item.namespace)
            if found is None:
                return ""
            states = select(found, "status.conditions[?type=Valid]")
            if states:
                return str(states[0].get("message", "")) if states[0].get("status") == "False" else ""
            if self._clock() > deadline:
                return ""
            time.sleep(0.05)


def objects_in(manifest: str) -> tuple[Applied, ...]:
    """The objects a manifest names, of kinds the course can clean up; none when it is not YAML."""
    import yaml

    found = []
    try:
        documents: list[Any] = list(yaml.safe_load_all(manifest))
    except yaml.YAMLError:
        return ()
    for item in documents:
        if not isinstance(item, dict) or not isinstance(item.get("metadata"), dict):
            continue
        kind, metadata = str(item.get("kind", "")), item["metadata"]
        if kind in KINDS and metadata.get("name"):
            namespace = str(metadata.get("namespace", "default")) if KINDS[kind].namespaced else ""
            found.append(Applied(kind, namespace, str(metadata["name"])))
    return tuple(found)
