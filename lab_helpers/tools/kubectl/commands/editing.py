"""``kubectl edit``: an object as YAML in $KUBE_EDITOR or $EDITOR, and the difference as a patch (kubectl
pkg/cmd/util/editor).
"""

import os
import shlex
import subprocess
import tempfile
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.commands.applying import write_query
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.manifests import parse_documents
from lab_helpers.tools.kubectl.mergekeys import built_in
from lab_helpers.tools.kubectl.merging import two_way
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.printing import without_managed_fields
from lab_helpers.tools.kubectl.selecting import Found, find
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError, kubectl_text
from lab_helpers.tools.rest.clients import MERGE_PATCH, STRATEGIC_PATCH

_HEAD = """# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "edit (RESOURCE/NAME | -f FILENAME)",
        short="Change an object in your editor",
        example="# With an editor of your choice\nKUBE_EDITOR=nano kubectl edit cnp backend-allow-frontend -n shop",
        run=run,
    )
    flags = command.flags
    add_file_flags(flags)
    flags.string("output", "yaml", "yaml or json", "o")
    flags.string("validate", "strict", "strict, warn or ignore unknown fields").implied = "strict"
    flags.bool("show-managed-fields", False, "With metadata.managedFields")
    flags.string("field-manager", "kubectl-edit", "Name of the manager that owns the fields")
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    if not session.args and not session.flags["filename"]:
        raise KubectlError("must specify --filename/-f, --kustomize/-k, or a resource to edit")
    status = 0
    for item in find(session, session.args):
        status = _edit(session, item) or status
    return status


def _text(session: Session, body: dict[str, Any]) -> str:
    if session.flags["output"] == "json":
        from lab_helpers.tools.kubectl.output.jsontexts import json_text

        return json_text(body) + "\n"
    from lab_helpers.tools.kubectl.output.yamltexts import yaml_text

    return yaml_text(body)


def _editor() -> list[str]:
    word = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
    return shlex.split(word, posix=os.name != "nt")


def _open(path: str) -> None:
    words = [*_editor(), path]
    try:
        code = subprocess.run(words, check=False).returncode
    except OSError as error:
        raise KubectlError(
            f'unable to launch the editor "{words[0]}": {(error.strerror or str(error)).lower()}; set KUBE_EDITOR'
        ) from error
    if code:
        raise KubectlError(f'there was a problem with the editor "{" ".join(words[:-1])}"')


def _edit(session: Session, item: Found) -> int:
    body = item.body or {}
    shown = body if session.flags["show-managed-fields"] else without_managed_fields(body)
    original = _text(session, shown)
    content, complaint = original, ""
    handle, path = tempfile.mkstemp(prefix="kubectl-edit-", suffix=f".{session.flags['output']}")
    os.close(handle)
    while True:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(_HEAD + complaint + content)
        before = _HEAD + complaint + content
        _open(path)
        with open(path, encoding="utf-8") as file:
            edited = file.read()
        content = "".join(line for line in edited.splitlines(keepends=True) if not line.startswith("#"))
        if not content.strip() or content == original or (complaint and edited == before):
            os.unlink(path)
            session.complain(
                "Edit cancelled, no changes made." if not complaint else "Edit cancelled, no valid changes were saved."
            )
            return 1 if complaint else 0
        try:
            message = _save(session, item, shown, _only_object(content, item.shown))
        except (KubectlError, ApiError) as error:
            text = kubectl_text(error) if isinstance(error, ApiError) else error.line
            complaint = "".join(f"# {line}\n" for line in text.splitlines()) + "#\n"
            session.complain(text)
            continue
        os.unlink(path)
        session.say(message)
        return 0


def _only_object(content: str, source: str) -> dict[str, Any]:
    """The one object in an edited file. Raises KubectlError."""
    found = list(parse_documents(content, source))
    if len(found) != 1 or not isinstance(found[0], dict):
        raise KubectlError("the file must hold one object")
    return found[0]


def _save(session: Session, item: Found, before: dict[str, Any], after: dict[str, Any]) -> str:
    strategic = built_in(item.resource.group)
    patch = two_way(before, after, item.resource.kind if strategic else "")
    if not patch:
        return f"{item.shown} skipped"
    query = write_query(session, "kubectl-edit")
    session.client.patch(item.path, patch, STRATEGIC_PATCH if strategic else MERGE_PATCH, **query)
    return f"{item.shown} edited"
