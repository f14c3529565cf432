"""``kubectl rollout``: status, history, undo, restart, pause, resume (kubectl pkg/cmd/rollout,
pkg/polymorphichelpers).
"""

import datetime as dt
import time
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.choosing import selector_text
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.following import follow_object
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags, dry_run, dry_run_query
from lab_helpers.tools.kubectl.revisions import history_of, revision_of, rollback_patch, template_text
from lab_helpers.tools.kubectl.rolloutstates import rollout_state
from lab_helpers.tools.kubectl.selecting import Found, find, items_of
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.clients import STRATEGIC_PATCH

_NOTHING = "required resource not specified"
_KINDS = ("Deployment", "DaemonSet", "StatefulSet")


def build(_name: str) -> Command:
    """The command and what it can do."""
    command = Command(
        "rollout SUBCOMMAND",
        short="Follow, undo, restart, pause rollouts",
        aliases=("rollouts",),
        example="""# Wait until every pod is new
kubectl rollout status ds/cilium -n kube-system

# Start all pods again
kubectl rollout restart deployment/web

# Back to the previous version
kubectl rollout undo deployment/web""",
    )
    for name, short, run in (
        ("status", "Wait for a rollout", _status),
        ("history", "List revisions", _history),
        ("undo", "Go back to a revision", _undo),
        ("restart", "Start all pods again", _restart),
        ("pause", "Stop rolling out changes", _pause),
        ("resume", "Roll out changes again", _resume),
    ):
        child = Command(f"{name} (TYPE NAME | TYPE/NAME) [flags]", short=short, run=run,
                        example=f"# Of a Deployment\nkubectl rollout {name} deployment/web")  # fmt: skip
        add_file_flags(child.flags)
        child.flags.string("selector", "", "Only objects whose labels match", "l")
        if name == "status":
            child.flags.bool("watch", True, "Wait until it is done", "w")
            child.flags.number("revision", 0, "Fail when the object rolls out another revision", kind="int64")
            child.flags.duration("timeout", 0, "How long to wait; 0: as long as needed")
        else:
            add_output_flags(child.flags)
            if name != "history":
                add_dry_run_flag(child.flags)
                child.flags.string("field-manager", "kubectl-rollout", "Name of the manager that owns the fields")
        if name == "history":
            child.flags.number("revision", 0, "Show this revision's pod template", kind="int64")
        if name == "undo":
            child.flags.number("to-revision", 0, "Which revision; 0: the one before", kind="int64")
        command.add(child)
    return command


def _objects(session: Session) -> list[Found]:
    if not session.args and not session.flags["filename"]:
        raise KubectlError(_NOTHING)
    return find(session, session.args)


def _status(invocation: Invocation) -> int:
    session = Session(invocation)
    limit = session.flags["timeout"] / 1e9 or None
    deadline = None if limit is None else time.monotonic() + limit
    for item in _objects(session):
        if item.resource.kind not in _KINDS:
            raise KubectlError(f"no status viewer has been implemented for {item.resource.kind}")
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        last = ""
        done = False
        for body in follow_object(session.client, item.resource.path(item.namespace), item.name, left):
            if body is None:
                raise KubectlError("object has been deleted")
            message, done = rollout_state(item.resource.kind, body, session.flags["revision"])
            if message != last:
                session.out.write(message)
                session.out.flush()
                last = message
            if done or not session.flags["watch"]:
                break
        if not done and session.flags["watch"]:
            raise KubectlError("timed out waiting for the condition")
    return 0


def _owned(session: Session, item: Found) -> list[dict[str, Any]]:
    """A Deployment's ReplicaSets, or the ControllerRevisions of others."""
    body = item.body or {}
    word = "replicasets.apps" if item.resource.kind == "Deployment" else "controllerrevisions.apps"
    resource = session.catalogue.find(word)
    query = {"labelSelector": selector_text(body["spec"].get("selector") or {})}
    uid = body["metadata"]["uid"]
    return [
        one
        for one in items_of(session.client.list_all(resource.path(item.namespace), query), resource)
        if any(owner.get("uid") == uid for owner in one["metadata"].get("ownerReferences") or [])
    ]


def _kind_checked(item: Found, what: str) -> None:
    if item.resource.kind not in _KINDS:
        raise KubectlError(f"no {what} has been implemented for {item.resource.kind}")


def _history(invocation: Invocation) -> int:
    session = Session(invocation)
    wanted = session.flags["revision"]
    if wanted < 0:
        raise KubectlError("revision must be a positive integer: " + str(wanted))
    for item in _objects(session):
        _kind_checked(item, "history viewer")
        history = history_of(item.resource.kind, _owned(session, item))
        if wanted:
            found = next((entry for entry in history if entry.number == wanted), None)
            if found is None:
                raise KubectlError("unable to find the specified revision")
            session.say(f"{item.shown} with revision #{wanted}")
            session.out.write(template_text(found.template) + "\n")
            continue
        session.say(f"{item.shown} ")
        from lab_helpers.tools.kubectl.output.tables import aligned

        rows = [["REVISION", "CHANGE-CAUSE"]] + [[str(entry.number), entry.cause or "<none>"] for entry in history]
        for line in aligned(rows, padding=2):
            session.say(line)
        session.say("")
    return 0


def _undo(invocation: Invocation) -> int:
    session = Session(invocation)
    reporter = Reporter(session)
    for item in _objects(session):
        _kind_checked(item, "rollbacker")
        body = item.body or {}
        if body["spec"].get("paused"):
            raise KubectlError(
                "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again"
            )
        history = history_of(item.resource.kind, _owned(session, item))
        number = session.flags["to-revision"]
        current = revision_of(item.resource.kind, body, history)
        if number:
            chosen = next((entry for entry in history if entry.number == number), None)
            if chosen is None:
                raise KubectlError(f"unable to find specified revision {number} in history")
        else:
            earlier = [entry for entry in history if entry.number != current]
            if not earlier:
                raise KubectlError("no rollout history found for " + f'{item.resource.kind.lower()} "{item.name}"')
            chosen = earlier[-1]
        if chosen.number == current:
            reporter.tell(
                item.shown, f"skipped rollback (current template already matches revision {chosen.number})", body
            )
            continue
        if dry_run(session) == "client":
            session.say(template_text(chosen.template))
            continue
        patch, content = rollback_patch(item.resource.kind, chosen)
        done = session.client.patch(item.path, patch, content, **dry_run_query(session))
        reporter.tell(item.shown, "rolled back", done)
    reporter.finish()
    return 0


def _patch(invocation: Invocation, operation: str, patch: dict[str, Any]) -> int:
    session = Session(invocation)
    reporter = Reporter(session)
    for item in _objects(session):
        body = item.body or {}
        if operation in ("paused", "resumed"):
            if item.resource.kind != "Deployment":
                verb = {"paused": "pausing", "resumed": "resuming"}[operation]
                raise KubectlError(f'{item.resource.full_name} "{item.name}" {verb} is not supported')
            if bool(body["spec"].get("paused")) == (operation == "paused"):
                raise KubectlError(
                    f'{item.resource.full_name} "{item.name}" is '
                    f"{'already paused' if operation == 'paused' else 'not paused'}"
                )
        else:
            if item.resource.kind not in _KINDS:
                raise KubectlError(f'{item.resource.full_name} "{item.name}" restarting is not supported')
            if body["spec"].get("paused"):
                raise KubectlError(
                    f'{item.resource.full_name} "{item.name}" can\'t restart paused deployment (run rollout resume '
                    "first)"
                )
        if dry_run(session) != "client":
            query = {"fieldManager": session.flags["field-manager"], **dry_run_query(session)}
            body = session.client.patch(item.path, patch, STRATEGIC_PATCH, **query)
        reporter.tell(item.shown, operation, body)
    reporter.finish()
    return 0


def _restart(invocation: Invocation) -> int:
    now = dt.datetime.now().astimezone().replace(microsecond=0).isoformat()
    if now.endswith("+00:00"):
        now = now[:-6] + "Z"
    annotations = {"kubectl.kubernetes.io/restartedAt": now}
    return _patch(invocation, "restarted", {"spec": {"template": {"metadata": {"annotations": annotations}}}})


def _pause(invocation: Invocation) -> int:
    return _patch(invocation, "paused", {"spec": {"paused": True}})


def _resume(invocation: Invocation) -> int:
    return _patch(invocation, "resumed", {"spec": {"paused": None}})
