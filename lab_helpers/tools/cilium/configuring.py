"""``cilium config``: the ConfigMap ``cilium-config`` and the restart that makes agents read it."""

import json
from typing import Any

from lab_helpers.tools.cilium.errors import CiliumError
from lab_helpers.tools.cilium.sessions import Session
from lab_helpers.tools.goflags import Command, Invocation, exact_args, go_quote
from lab_helpers.tools.rest import ApiError
from lab_helpers.tools.rest.clients import JSON_PATCH, STRATEGIC_PATCH


def build() -> list[Command]:
    """The command and its parts."""
    command = Command(
        "config", short="Manage Configuration", example="cilium config view\ncilium config set debug true"
    )
    view = Command("view", short="View current configuration", example="cilium config view", run=_view)
    change = Command(
        "set <key> <value>", short="Set a key/value pair in the configuration",
        example="cilium config set policy-audit-mode true",
                     args=exact_args(2), run=_set)  # fmt: skip
    delete = Command("delete <key>", short="Delete a key in the configuration", example="cilium config delete debug",
                     args=exact_args(1), run=_delete)  # fmt: skip
    for child in (change, delete):
        child.flags.bool("restart", True, "Restart Cilium pods", "r")
    command.add(view, change, delete)
    return [command]


def _path(session: Session) -> str:
    return f"/api/v1/namespaces/{session.namespace}/configmaps/cilium-config"


def _view(call: Invocation) -> int:
    from lab_helpers.tools.kubectl.output.tables import aligned

    session = Session(call)
    try:
        data = session.client.get(_path(session)).get("data") or {}
    except ApiError as error:
        raise CiliumError(f'Unable to view config:  unable get ConfigMap "cilium-config": {error}') from error
    for line in aligned([[key, data[key]] for key in sorted(data)], padding=4):
        session.say(line)
    return 0


def _change(session: Session, patch: Any, kind: str, note: str, what: str) -> int:
    session.say(note)
    try:
        session.client.patch(_path(session), patch, kind)
    except ApiError as error:
        sent = go_quote(json.dumps(patch, ensure_ascii=False, separators=(",", ":") if what == "set" else None))
        raise CiliumError(
            f"Unable to {what} config:  unable to patch ConfigMap cilium-config with patch {sent}: {error}"
        ) from error
    if session.flags["restart"]:
        _restart(session)
    else:
        session.say("⚠️  Restart Cilium pods for configmap changes to take effect")
    return 0


def _restart(session: Session) -> None:
    """Restart agents and operators by deleting their pods (cilium-cli config/config.go)."""
    path = f"/api/v1/namespaces/{session.namespace}/pods"
    for what, selector in (("Cilium", "k8s-app=cilium"), ("Cilium Operator", "io.cilium/app=operator")):
        try:
            session.client.delete(path, {}, labelSelector=selector)
        except ApiError as error:
            raise CiliumError(f"⚠️  unable to restart {what} pods: {error}") from error
    session.say("♻️  Restarted Cilium pods")


def _set(call: Invocation) -> int:
    session = Session(call)
    key, value = session.args
    note = f"✨ Patching ConfigMap cilium-config with {key}={value}..."
    return _change(session, {"data": {key: value}}, STRATEGIC_PATCH, note, "set")


def _delete(call: Invocation) -> int:
    session = Session(call)
    key = session.args[0]
    patch = [{"op": "remove", "path": f"/data/{key}"}]
    return _change(session, patch, JSON_PATCH, f"✨ Removing key {key} from ConfigMap cilium-config...", "delete")
