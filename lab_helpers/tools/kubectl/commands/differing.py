"""``kubectl diff`` (kubectl pkg/cmd/diff): a unified difference made here, no diff program needed."""

import datetime as dt
import difflib
import json
import os
import random
import tempfile
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.commands.applying import LAST_APPLIED
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.manifests import Manifest, manifests
from lab_helpers.tools.kubectl.mergekeys import built_in
from lab_helpers.tools.kubectl.merging import three_way
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.output.yamltexts import yaml_text
from lab_helpers.tools.kubectl.printing import without_managed_fields
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError
from lab_helpers.tools.rest.clients import APPLY_PATCH, MERGE_PATCH, STRATEGIC_PATCH


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "diff -f FILENAME",
        short="What applying a file would change",
        long="What applying a file would change. Exit status 0: nothing, 1: something, more than 1: an error.",
        example="kubectl diff -f policy.yaml",
        run=run,
    )
    flags = command.flags
    add_file_flags(flags, "Files or folders; - is standard input")
    flags.bool("server-side", False, "As kubectl apply --server-side would change it")
    flags.bool("force-conflicts", False, "With --server-side: take over fields others manage")
    flags.bool("show-managed-fields", False, "With metadata.managedFields")
    flags.string("field-manager", "kubectl-client-side-apply", "Name of the manager that owns the fields")
    flags.string("selector", "", "Only objects whose labels match", "l")
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    if not session.flags["filename"] and not session.flags["kustomize"]:
        raise KubectlError("must specify one of -f and -k")
    changed = False
    for entry in manifests(session):
        changed = _show(session, entry) or changed
    return 1 if changed else 0


def _show(session: Session, entry: Manifest) -> bool:
    before: dict[str, Any] = {}
    try:
        before = session.client.get(entry.path)
    except ApiError as error:
        if error.reason != "NotFound":
            raise
    query = {"dryRun": "All", "fieldManager": session.flags["field-manager"], "fieldValidation": "Strict"}
    if session.flags["server-side"]:
        query["force"] = "true" if session.flags["force-conflicts"] else ""
        after = session.client.patch(entry.path, entry.body, APPLY_PATCH, **query)
    elif not before:
        after = session.client.post(entry.collection, entry.body, **query)
    else:
        strategic = built_in(entry.resource.group)
        last = (before["metadata"].get("annotations") or {}).get(LAST_APPLIED)
        kind = entry.resource.kind if strategic else ""
        patch = three_way(json.loads(last) if last else {}, entry.body, before, kind)
        after = before
        if patch:
            after = session.client.patch(entry.path, patch, STRATEGIC_PATCH if strategic else MERGE_PATCH, **query)
    name = ".".join(
        part or "-"
        for part in (entry.resource.group, entry.resource.version, entry.resource.kind, entry.namespace, entry.name)
        if part or part is entry.namespace
    )
    folders = [
        f"{tempfile.gettempdir()}{os.sep}{word}-{random.randrange(10**8, 10**10)}" for word in ("LIVE", "MERGED")
    ]
    old, new = (f"{folder}{os.sep}{name}" for folder in folders)
    now = dt.datetime.now().astimezone()
    stamp = f"\t{now:%Y-%m-%d %H:%M:%S}.{now.microsecond:06}000 {now:%z}"
    lines = list(difflib.unified_diff(_lines(session, before), _lines(session, after), old, new, stamp[1:], stamp[1:]))
    if lines:
        session.say(f"diff -u -N {old} {new}")
        session.out.write("".join(lines))
    return bool(lines)


def _lines(session: Session, body: dict[str, Any]) -> list[str]:
    if not body:
        return []
    shown = body if session.flags["show-managed-fields"] else without_managed_fields(body)
    return yaml_text(shown).splitlines(keepends=True)
