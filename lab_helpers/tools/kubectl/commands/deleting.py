"""``kubectl delete`` (kubectl pkg/cmd/delete)."""

import time
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.manifests import Failures, read_manifests, report
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.printing import add_dry_run_flag, dry_run, dry_run_query
from lab_helpers.tools.kubectl.selecting import NO_NAME, NOTHING_NAMED, Found, check_words, items_of, selectors, wanted
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.kubectl.vanishing import wait_until_gone
from lab_helpers.tools.rest import ApiError


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "delete ([-f FILENAME] | TYPE [(NAME | -l label | --all)])",
        short="Delete objects by file, name or label",
        example="""# What a file describes
kubectl delete -f policy.yaml

# By type and name
kubectl delete ciliumnetworkpolicy backend-allow-frontend -n shop

# By label
kubectl delete pods -l app=frontend

# Every policy of the namespace
kubectl delete cnp --all""",
        run=run,
    )
    flags = command.flags
    flags.bool("all", False, "Every object of the type in the namespace")
    flags.bool("all-namespaces", False, "In every namespace", "A")
    flags.string(
        "cascade", "background", "background, orphan or foreground: what becomes of dependents"
    ).implied = "background"
    flags.string("field-selector", "", "Only objects whose fields match")
    add_file_flags(flags)
    flags.bool("force", False, "Do not wait for the node to confirm (with --grace-period=0)")
    flags.number("grace-period", -1, "Seconds a pod gets to end; 0 only with --force; -1: its own")
    flags.bool("ignore-not-found", False, "A missing object is no error")
    flags.bool("interactive", False, "Refused: nothing is asked here", "i", hidden=True)
    flags.bool("now", False, "One second for pods to end")
    flags.string("output", "", "name prints type/name", "o")
    flags.string("raw", "", "DELETE this path")
    flags.string("selector", "", "Only objects whose labels match", "l")
    flags.duration("timeout", 0, "How long to wait; 0: as long as needed")
    flags.bool("wait", True, "Wait until the objects are gone")
    add_dry_run_flag(flags)
    return command


def _check(session: Session) -> None:
    flags = session.flags
    if flags["output"] not in ("", "name"):
        raise KubectlError(f"unexpected -o output mode: {flags['output']}. We only support '-o name'")
    if flags["all"] and flags["selector"]:
        raise KubectlError("cannot set --all and --selector at the same time")
    if flags["all"] and flags["field-selector"]:
        raise KubectlError("cannot set --all and --field-selector at the same time")
    if flags["now"] and flags["grace-period"] != -1:
        raise KubectlError("--now and --grace-period cannot be specified together")
    if flags["grace-period"] > 0 and flags["force"]:
        raise KubectlError("--force and --grace-period greater than 0 cannot be specified together")
    if flags["cascade"] not in ("background", "orphan", "foreground", "true", "false"):
        raise KubectlError(
            f'invalid cascade value ({flags["cascade"]}). Must be "background", "foreground", or "orphan"'
        )


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    if flags["raw"]:
        session.say(session.client.request("DELETE", flags["raw"]).decode())
        return 0
    _check(session)
    grace = 1 if flags["now"] else flags["grace-period"]
    if grace == 0 and not flags["force"]:
        grace = 1
    if flags["force"] and grace < 0:
        grace = 0
    errors: Failures = []
    found = _found(session, errors)
    if flags["force"] and dry_run(session) == "none":
        session.complain(
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
            "The resource may continue to run on the cluster indefinitely."
        )
    if session.namespace_given and any(not item.resource.namespaced for item in found) and not session.everywhere:
        session.complain("Warning: deleting cluster-scoped resources, not scoped to the provided namespace")
    gone = []
    for item in found:
        try:
            uid = _delete(session, item, grace)
            gone.append((item, uid))
        except ApiError as error:
            if not (flags["ignore-not-found"] and error.reason == "NotFound"):
                errors.append(error.about("deleting", item.source) if item.source else error)
    if not found and not errors:
        session.say("No resources found")
    status = report(session, errors)
    if flags["wait"] and dry_run(session) == "none":
        session.out.flush()
        limit = flags["timeout"] / 1e9
        deadline = time.monotonic() + limit if limit > 0 else None
        for item, uid in gone:
            wait_until_gone(session.client, item.resource, item.namespace, item.name, uid, deadline)
    return status


def _found(session: Session, errors: Failures) -> list[Found]:
    """What to delete: named objects without asking whether they exist, others by listing them."""
    flags = session.flags
    if flags["filename"] or flags["kustomize"]:
        entries, failures = read_manifests(session)
        errors += failures
        return [Found(entry.resource, entry.namespace, entry.name, None, entry.source) for entry in entries]
    if not session.args:
        raise KubectlError(NOTHING_NAMED)
    check_words(session, session.args)
    out = []
    for want in wanted(session, session.args):
        namespace = session.namespace if want.resource.namespaced else ""
        if want.names:
            out += [Found(want.resource, namespace, name) for name in want.names]
            continue
        query = selectors(session)
        if not query and not flags["all"]:
            raise KubectlError(NO_NAME)
        try:
            listing = session.client.list_all(want.resource.path("" if session.everywhere else namespace), query)
        except ApiError as error:
            errors.append(error)
            continue
        for body in items_of(listing, want.resource):
            meta = body["metadata"]
            out.append(Found(want.resource, str(meta.get("namespace") or ""), str(meta["name"]), body))
    return out


def _delete(session: Session, item: Found, grace: int) -> str:
    """Delete one object, report it, and return the uid of what was deleted ("" when unknown)."""
    flags = session.flags
    mode = dry_run(session)
    policy = {"orphan": "Orphan", "false": "Orphan", "foreground": "Foreground"}.get(flags["cascade"], "Background")
    uid = ""
    if mode != "client":
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
        if grace >= 0:
            options["gracePeriodSeconds"] = grace
        if mode == "server":
            options["dryRun"] = ["All"]
        answer = session.client.delete(item.path, options, **dry_run_query(session))
        uid = str((answer.get("details") or {}).get("uid") or (answer.get("metadata") or {}).get("uid") or "")
    else:
        session.client.get(item.path)
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(mode, "")
    if flags["output"] == "name":
        session.say(item.shown)
    else:
        word = "force deleted" if grace == 0 else "deleted"
        session.say(f'{item.resource.singular_name} "{item.name}" {word}{suffix}')
    return uid
