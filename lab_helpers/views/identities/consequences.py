"""What a change of labels would do, before it is done.

The change is made on a copy of the cluster's objects; the policy engine judges both. Labels are those of the running
pods or of the namespace: what ``kubectl label`` changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from lab_helpers.policy.identities import Endpoint, reserved_identity
from lab_helpers.policy.inventories import Inventory, Member
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.reachability import Changed, Target, difference, reachability
from lab_helpers.views.display import Tone, Tones, View, escape
from lab_helpers.views.identities.catalogues import Use, shown_labels, uses_of
from lab_helpers.views.identities.edits import EditError, LabelEdit
from lab_helpers.views.identities.snapshots import Snapshot
from lab_helpers.views.panels import Panel
from lab_helpers.views.tables import Marked, Table

__all__ = ["Consequence", "Move", "consequence"]

_TONES: Final = {"allowed": Tones.GOOD.value, "proxied": Tone("↪", "cl-good"), "denied": Tones.BAD.value}


class Move(NamedTuple):
    """One pod from one identity to another. ``numeric`` 0: Cilium would make a new one. ``shared``: who else has it."""

    pod: str
    before: int
    numeric: int
    labels: tuple[str, ...]
    shared: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Consequence(View):
    """``ignored`` are labels that do not count for the identity; ``gained`` and ``lost`` are rules."""

    edit: LabelEdit
    pods: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    ignored: tuple[str, ...] = ()
    gained: tuple[Use, ...] = ()
    lost: tuple[Use, ...] = ()
    verdicts: tuple[Changed, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What would do it."""
        return self.edit.command(*self.pods)

    def lines(self) -> tuple[str, ...]:
        """What would happen to identities, in sentences."""
        said = []
        if self.ignored:
            said.append(f"Not part of an identity, so they change nothing: {', '.join(self.ignored)}.")
        if not self.moves:
            said.append("No pod would get another identity.")
        for (before, numeric), moves in _grouped(self.moves).items():
            pods = ", ".join(move.pod for move in moves)
            labels = ", ".join(shown_labels(moves[0].labels))
            if numeric:
                shared = moves[0].shared
                whom = f"which {', '.join(shared)} already carr{'y' if len(shared) > 1 else 'ies'}" if shared else ""
                whom = whom or "which exists already, though no pod carries it now"
                said.append(f"{pods}: identity {before} → {numeric} ({labels}), {whom}.")
            else:
                said.append(f"{pods}: identity {before} → a new one ({labels}); its number is Cilium's to choose.")
            left = moves[0].left
            said.append(
                f"Identity {before} stays with {', '.join(left)}."
                if left
                else f"Nobody would carry identity {before} any more; Cilium's operator removes it in time."
            )
        return tuple(said)

    def rules(self) -> tuple[str, ...]:
        """Which rules begin and cease to be about the pods."""
        return (*(f"gained: {use}" for use in self.gained), *(f"lost: {use}" for use in self.lost))

    def table(self) -> Table:
        """The verdicts that would change."""
        rows = tuple((c.source, "→", str(c.target), _mark(str(c.before)), _mark(str(c.after))) for c in self.verdicts)
        return Table(("from", "", "to", "now", "then"), rows, "Verdicts that change", "none")

    def text(self) -> str:
        """All of it."""
        parts = [f"If: {self.command}", *(f"  {line}" for line in self.lines())]
        parts += [f"  ! {warning}" for warning in self.warnings]
        parts += ["Rules:", *(f"  {rule}" for rule in self.rules())] if self.gained or self.lost else []
        return "\n".join([*parts, self.table().text()])

    def body(self) -> str:
        """The same as a panel."""
        items = tuple(_plain(rule) for rule in self.rules())
        head = Panel(f"If: `{self.command}`", Tones.PLAIN.value, "not done yet", self.lines(), items).body()
        warnings = "".join(f"<p>▲ {escape(warning)}</p>" for warning in self.warnings)
        return head + warnings + self.table().body()


def consequence(snapshot: Snapshot, edit: LabelEdit) -> Consequence:
    """What the change would do. Raises EditError when nobody is called like the target."""
    before = snapshot.inventory()
    changed = _targets(before, edit.target, snapshot)
    after = _changed_snapshot(snapshot, edit, changed).inventory()
    then = {member.endpoint.name: member for member in after.members}
    moves = []
    gained: dict[Use, None] = {}
    lost: dict[Use, None] = {}
    known = _known(snapshot)
    for member in changed:
        fresh = then[member.endpoint.name]
        was, now = member.endpoint.identity, fresh.endpoint.identity
        if was.labels == now.labels:
            continue
        moves.append(_move(member, fresh, before, changed, known))
        old, new = uses_of(was.labels, before), uses_of(now.labels, after)
        gained.update(dict.fromkeys(use for use in new if use not in old))
        lost.update(dict.fromkeys(use for use in old if use not in new))
    verdicts = _verdicts(before, after, changed) if moves else ()
    return Consequence(
        edit,
        tuple(member.endpoint.name for member in changed),
        tuple(moves),
        tuple(key for key, _ in edit.changes if not _counts(snapshot, edit, key)),
        tuple(gained),
        tuple(lost),
        verdicts,
        _warnings(snapshot, before, edit, changed),
    )


def _targets(inventory: Inventory, target: str, snapshot: Snapshot) -> tuple[Member, ...]:
    namespace, slash, name = target.partition("/")
    if slash:
        found = tuple(m for m in inventory.members if m.namespace == namespace and name in (m.name, m.workload))
    else:
        found = tuple(m for m in inventory.members if m.namespace == namespace)
        if not found and any(item["metadata"]["name"] == namespace for item in snapshot.of("Namespace")):
            raise EditError(f"no pod with an identity runs in namespace {namespace}")
    if not found:
        known = ", ".join(sorted({f"{m.namespace}/{m.workload}" for m in inventory.members})) or "nobody"
        raise EditError(f'nobody is called "{target}"; known are {known}, and their namespaces')
    return found


def _changed_snapshot(snapshot: Snapshot, edit: LabelEdit, changed: Iterable[Member]) -> Snapshot:
    """The objects with the new labels; endpoints of the pods concerned are left out, so their identity is made anew."""
    names = {(member.namespace, member.name) for member in changed}
    whole = edit.target if "/" not in edit.target else ""
    objects: list[Mapping[str, Any]] = []
    for item in snapshot.objects:
        metadata = item.get("metadata") or {}
        place = (str(metadata.get("namespace", "")), str(metadata.get("name", "")))
        kind = item.get("kind")
        if kind == "CiliumEndpoint" and place in names:
            continue
        if (kind == "Pod" and place in names and not whole) or (kind == "Namespace" and place[1] == whole):
            labels = dict(metadata.get("labels") or {})
            for key, value in edit.changes:
                if value is None:
                    labels.pop(key, None)
                else:
                    labels[key] = value
            objects.append({**item, "metadata": {**metadata, "labels": labels}})
        else:
            objects.append(item)
    return replace(snapshot, objects=tuple(objects))


def _counts(snapshot: Snapshot, edit: LabelEdit, key: str) -> bool:
    whole = "/" not in edit.target
    return snapshot.label_filter.keeps(f"io.cilium.k8s.namespace.labels.{key}" if whole else key)


def _known(snapshot: Snapshot) -> dict[LabelSet, int]:
    from lab_helpers.policy.labels import Label

    found = {}
    for item in snapshot.of("CiliumIdentity"):
        pairs: Mapping[str, str] = item.get("security-labels") or {}
        labels = LabelSet(Label(*key.partition(":")[::2], value) for key, value in pairs.items())
        found[labels] = int(item["metadata"]["name"])
    return found


def _move(
    member: Member, fresh: Member, before: Inventory, changed: tuple[Member, ...], known: Mapping[LabelSet, int]
) -> Move:
    labels = fresh.endpoint.identity.labels
    moving = {other.endpoint.name for other in changed}
    shared = [m for m in before.members if m.endpoint.identity.labels == labels and m.endpoint.name not in moving]
    numeric = shared[0].endpoint.identity.numeric if shared else known.get(labels, 0)
    was = member.endpoint.identity
    left = [m for m in before.members if m.endpoint.identity == was and m.endpoint.name not in moving]
    return Move(
        member.endpoint.name,
        was.numeric,
        numeric,
        labels.strings(),
        tuple(m.endpoint.name for m in shared),
        tuple(m.endpoint.name for m in left),
    )


def _grouped(moves: Iterable[Move]) -> dict[tuple[int, int], list[Move]]:
    found: dict[tuple[int, int], list[Move]] = {}
    for move in moves:
        found.setdefault((move.before, move.numeric), []).append(move)
    return found


def _verdicts(before: Inventory, after: Inventory, changed: tuple[Member, ...]) -> tuple[Changed, ...]:
    """What changes between the pods concerned and everybody, and the world, on the ports that pods declare."""
    names = {member.endpoint.name for member in changed}
    found: list[Changed] = []
    for to_changed in (True, False):
        matrices = []
        for inventory in (before, after):
            endpoints = {m.endpoint.name: m for m in inventory.members}
            concerned = [endpoints[name] for name in sorted(names)]
            others = [m for name, m in sorted(endpoints.items()) if to_changed or name not in names]
            sources = others if to_changed else concerned
            targets = concerned if to_changed else others
            matrices.append(
                reachability(
                    inventory.repository,
                    [*(m.endpoint for m in sources), *([_WORLD] if to_changed else [])],
                    [*_ports(targets), *([] if to_changed else [(_WORLD, Target("world", Protocol.TCP, 443))])],
                )
            )
        found += difference(*matrices)
    return tuple(_by_workload(found, before))


_WORLD: Final = Endpoint("world", reserved_identity("world"))


def _ports(members: Iterable[Member]) -> list[tuple[Endpoint, Target]]:
    return [
        (member.endpoint, Target(member.endpoint.name, Protocol[port.protocol.upper()], port.port))
        for member in members
        for port in member.ports
    ]


def _by_workload(changes: Iterable[Changed], inventory: Inventory) -> Iterable[Changed]:
    """Pods of one workload fare alike: one line for them."""
    workloads = {m.endpoint.name: f"{m.namespace}/{m.workload}" for m in inventory.members}
    lines: dict[Changed, None] = {}
    for change in changes:
        target = change.target._replace(name=workloads.get(change.target.name, change.target.name))
        lines[change._replace(source=workloads.get(change.source, change.source), target=target)] = None
    return lines


def _warnings(
    snapshot: Snapshot, inventory: Inventory, edit: LabelEdit, changed: tuple[Member, ...]
) -> tuple[str, ...]:
    """What the change would do besides, to Services and controllers."""
    if "/" not in edit.target:
        return ()
    found = []
    for member in changed:
        old = dict(member.labels)
        new = {**old, **{key: value for key, value in edit.changes if value is not None}}
        for key, value in edit.changes:
            if value is None:
                new.pop(key, None)
        for service in inventory.services:
            wanted = dict(service.service.selector).items()
            if wanted and service.service.namespace == member.namespace:
                was, will = wanted <= old.items(), wanted <= new.items()
                if was != will:
                    word = "would send to" if will else "would no longer send to"
                    found.append(f"Service {member.namespace}/{service.service.name} {word} {member.name}")
        found += _orphaned(snapshot, member, old, new)
    return tuple(dict.fromkeys(found))


def _orphaned(snapshot: Snapshot, member: Member, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    for item in snapshot.of("ReplicaSet"):
        metadata: Mapping[str, Any] = item["metadata"]
        wanted = ((item.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        if not wanted or metadata.get("namespace") != member.namespace or not wanted.items() <= old.items():
            continue
        if not wanted.items() <= new.items():
            said = f"ReplicaSet {metadata['name']} would let {member.name} go and start another pod in its place: "
            return [said + "to change a workload, change its Deployment's template"]
    return []


def _mark(reach: str) -> Marked:
    return Marked(_TONES[reach], reach)


def _plain(text: str) -> str:
    return text.replace("`", "'")
