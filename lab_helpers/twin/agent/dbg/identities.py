"""``cilium-dbg identity …`` (cilium-dbg/cmd/identity_*.go)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lab_helpers.policy.identities import Identity
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session, table

__all__ = ["COMMANDS", "RESERVED_NAMES", "identity_name"]

RESERVED_NAMES = {
    0: "unknown",
    1: "host",
    2: "world",
    3: "unmanaged",
    4: "health",
    5: "init",
    6: "remote-node",
    7: "kube-apiserver",
    8: "ingress",
    9: "world-ipv4",
    10: "world-ipv6",
}


def identity_name(numeric: int) -> str:
    """A reserved identity's name, else the number."""
    return RESERVED_NAMES.get(numeric, str(numeric))


def _known(session: Session) -> list[Identity]:
    found = {identity.numeric: identity for identity in session.agent.repository.population}
    dual = session.agent.settings.policy.dual_stack
    return [found[number] for number in sorted(found) if dual or number not in (9, 10)]


def _model(identity: Identity) -> dict[str, Any]:
    return {"id": identity.numeric, "labels": list(identity.labels.strings())}


def _rows(identities: list[Identity], counts: Counter[int] | None = None) -> list[tuple[object, ...]]:
    header: tuple[object, ...] = ("ID", "LABELS (source:key[=value])")
    rows = [header if counts is None else (*header, "REFCOUNT")]
    for identity in identities:
        labels = identity.labels.strings() or ("",)
        first: tuple[object, ...] = (identity.numeric, labels[0])
        rows.append(first if counts is None else (*first, counts[identity.numeric]))
        rows += [("", label) if counts is None else ("", label, "") for label in labels[1:]]
    return rows


async def _list(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    found = _known(session)
    wanted = arguments.words
    if wanted:
        found = [
            i
            for i in found
            if all(any(text in (s, s.partition(":")[2]) for s in i.labels.strings()) for text in wanted)
        ]
    counts: Counter[int] | None = None
    if "endpoints" in arguments.switches:
        counts = Counter(endpoint.datapath.identity for endpoint in session.agent.endpoints.values())
        found = [identity for identity in found if counts[identity.numeric]]
    if arguments.value("output"):
        models = [
            _model(item) if counts is None else {"identity": _model(item), "refCount": counts[item.numeric]}
            for item in found
        ]
        await session.data(models, arguments.value("output"))
        return 0
    await session.out(table(_rows(found, counts)))
    return 0


async def _get(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    labels = arguments.values.get("label", [])
    if labels:
        found = [i for i in _known(session) if set(labels) <= set(i.labels.strings())]
    elif arguments.words:
        text = arguments.words[0]
        number = next((n for n, name in RESERVED_NAMES.items() if text in (name, f"reserved:{name}")), None)
        if number is None and not text.isdigit():
            raise CommandError(
                f'Error: invalid identity "{text}": expected a number or the name of a reserved identity'
            )
        wanted = int(text) if number is None else number
        found = [identity for identity in _known(session) if identity.numeric == wanted]
        if not found:
            raise CommandError(
                f"Error: Cannot get identity for given ID {text}: [GET /identity/{{id}}][404] getIdentityIdNotFound"
            )
    else:
        raise CommandError("Error: No identity or label provided")
    if arguments.value("output"):
        await session.data([_model(identity) for identity in found], arguments.value("output"))
        return 0
    await session.out(table(_rows(found)))
    return 0


COMMANDS = (
    Command(("identity", "list"), "List identities", _list, OUTPUT, {"--endpoints": "endpoints"}, (0, -1), "[LABELS]"),
    Command(
        ("identity", "get"),
        "Retrieve information about an identity",
        _get,
        {**OUTPUT, "--label": "label"},
        arguments=(0, 1),
        usage="<id>",
    ),
)
