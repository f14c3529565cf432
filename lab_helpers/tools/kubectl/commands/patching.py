"""``kubectl patch`` (kubectl pkg/cmd/patch)."""

import json
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.commands.applying import write_query
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.mergekeys import built_in
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags
from lab_helpers.tools.kubectl.selecting import find
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.clients import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

_TYPES = {"strategic": STRATEGIC_PATCH, "merge": MERGE_PATCH, "json": JSON_PATCH}


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "patch (-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]",
        short="Change fields of an object",
        example="""# Two replicas
kubectl patch deployment web -p '{"spec":{"replicas":2}}'

# A list item, by JSON patch
kubectl patch cnp web --type=json -p '[{"op":"remove","path":"/spec/ingress/0"}]'""",
        run=run,
    )
    flags = command.flags
    add_file_flags(flags, "File that names the object")
    flags.bool("local", False, "Refused: patches are made by the server", hidden=True)
    flags.string("patch", "", "The patch, JSON or YAML", "p")
    flags.string("patch-file", "", "A file that holds it")
    flags.string("subresource", "", "Patch this subresource: status, scale")
    flags.string("type", "strategic", "json, merge or strategic")
    flags.string("field-manager", "kubectl-patch", "Name of the manager that owns the fields")
    add_dry_run_flag(flags)
    add_output_flags(flags)
    return command


def parse_patch(text: str) -> Any:
    """JSON, or YAML."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    from lab_helpers.tools.kubectl.manifests import parse_documents

    found = list(parse_documents(text, "the patch"))
    if len(found) != 1 or not isinstance(found[0], (dict, list)):
        raise KubectlError(f"unable to parse {json.dumps(text)}: the patch must be one JSON or YAML object or list")
    return found[0]


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    if flags["patch"] and flags["patch-file"]:
        raise KubectlError("cannot specify --patch and --patch-file together")
    text = flags["patch"]
    if flags["patch-file"]:
        try:
            with open(flags["patch-file"], encoding="utf-8") as file:
                text = file.read()
        except OSError as error:
            raise KubectlError(
                f"unable to read patch file: open {flags['patch-file']}: {(error.strerror or '').lower()}"
            ) from error
    if not text:
        raise KubectlError("must specify --patch or --patch-file containing the contents of the patch")
    kind = flags["type"].lower()
    if kind not in _TYPES:
        raise KubectlError(f'--type must be one of [json merge strategic], not "{flags["type"]}"')
    patch = parse_patch(text)
    reporter = Reporter(session)
    for item in find(session, session.args):
        content = _TYPES[kind]
        if kind == "strategic" and not built_in(item.resource.group) and not flags.changed("type"):
            content = STRATEGIC_PATCH
        path = item.resource.path(item.namespace, item.name, flags["subresource"])
        query = {key: value for key, value in write_query(session, "kubectl-patch").items() if key != "fieldValidation"}
        before = (item.body or {}).get("metadata", {}).get("resourceVersion")
        if flags["dry-run"] in ("client", "unchanged"):
            reporter.tell(item.shown, "patched", item.body or {})
            continue
        done = session.client.patch(path, patch, content, **query)
        changed = done.get("metadata", {}).get("resourceVersion") != before or flags["dry-run"] == "server"
        reporter.tell(item.shown, "patched" if changed else "patched (no change)", done)
    reporter.finish()
    return 0
