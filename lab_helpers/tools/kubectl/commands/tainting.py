"""``kubectl taint`` (kubectl pkg/cmd/taint)."""

from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError, UsageFault
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags, dry_run, dry_run_query
from lab_helpers.tools.kubectl.selecting import Found, find
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.clients import MERGE_PATCH

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "taint NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N",
        short="Change the taints of nodes",
        example="""# Set and remove
kubectl taint nodes cilium-labs-worker dedicated=db:NoSchedule
kubectl taint nodes cilium-labs-worker dedicated-""",
        run=run,
    )
    flags = command.flags
    flags.bool("all", False, "Every node")
    flags.bool("overwrite", False, "Replace taints that exist")
    flags.string("selector", "", "Only nodes whose labels match", "l")
    flags.string("field-manager", "kubectl-taint", "Name of the manager that owns the fields")
    add_dry_run_flag(flags)
    add_output_flags(flags)
    return command


def _parse(words: list[str]) -> tuple[list[dict[str, str]], list[tuple[str, str]]]:
    new, gone = [], []
    for word in words:
        if word.endswith("-"):
            key, _, effect = word[:-1].partition(":")
            gone.append((key.partition("=")[0], effect))
            continue
        head, colon, effect = word.rpartition(":")
        key, equals, value = head.partition("=")
        if not colon or not key:
            raise KubectlError(f"invalid taint spec: {word}")
        if effect not in _EFFECTS:
            raise UsageFault("kubectl taint", f"invalid taint effect: {effect}, unsupported taint effect")
        new.append({"key": key, "effect": effect, **({"value": value} if equals and value else {})})
    return new, gone


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    split = [word for word in session.args if ":" in word or "=" in word or (word.endswith("-") and len(word) > 1)]
    words = [word for word in session.args if word not in split]
    if not words or (len(words) < 2 and not (session.flags["all"] or session.flags["selector"])):
        raise KubectlError("one or more resources must be specified as <resource> <name>")
    if not split:
        raise KubectlError("at least one taint update is required")
    new, gone = _parse(split)
    reporter = Reporter(session)
    for item in find(session, words):
        if item.resource.kind != "Node":
            raise KubectlError(f"invalid resource type {item.resource.plural}, only node types are supported")
        _change(session, item, new, gone, reporter)
    reporter.finish()
    return 0


def _change(
    session: Session, item: Found, new: list[dict[str, str]], gone: list[tuple[str, str]], reporter: Reporter
) -> None:
    body: dict[str, Any] = item.body or {}
    now: list[dict[str, Any]] = list((body.get("spec") or {}).get("taints") or [])
    for key, effect in gone:
        left = [taint for taint in now if not (taint["key"] == key and effect in ("", taint["effect"]))]
        if len(left) == len(now):
            raise KubectlError(f'taint "{key}{":" + effect if effect else ""}" not found')
        now = left
    for taint in new:
        same = [one for one in now if (one["key"], one["effect"]) == (taint["key"], taint["effect"])]
        if same and not session.flags["overwrite"]:
            raise KubectlError(
                f"node {item.name} already has {taint['key']} taint(s) with same effect(s) and --overwrite is false"
            )
        now = [taint, *(one for one in now if one not in same)]
    if dry_run(session) != "client":
        query = {"fieldManager": session.flags["field-manager"], **dry_run_query(session)}
        body = session.client.patch(item.path, {"spec": {"taints": now or None}}, MERGE_PATCH, **query)
    reporter.tell(item.shown, "tainted" if new and not gone else "untainted" if gone and not new else "modified", body)
