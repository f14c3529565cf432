"""``kubectl apply``: make objects be as files say (kubectl pkg/cmd/apply)."""

import json
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation, go_quote
from lab_helpers.tools.kubectl.errors import KubectlError, not_bundled
from lab_helpers.tools.kubectl.manifests import Manifest, read_manifests, report
from lab_helpers.tools.kubectl.mergekeys import built_in
from lab_helpers.tools.kubectl.merging import three_way
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.output.jsontexts import go_json
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags, dry_run, dry_run_query
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError
from lab_helpers.tools.rest.clients import APPLY_PATCH, MERGE_PATCH, STRATEGIC_PATCH

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_CONFLICT_ADVICE = """Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"""


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "apply -f FILENAME",
        short="Make objects be as files say",
        long="Make objects be as files say: create those that are missing, change those that differ.",
        example="""# A policy from a file
kubectl apply -f policy.yaml

# From standard input
cat policy.yaml | kubectl apply -f -

# Every manifest of a folder; let the server check only
kubectl apply -f manifests/ --dry-run=server""",
        run=run,
    )
    flags = command.flags
    add_file_flags(flags, "Files or folders to apply; - is standard input")
    flags.string("selector", "", "Only objects whose labels match", "l")
    flags.bool("server-side", False, "Let the server merge, with field managers")
    flags.bool("force-conflicts", False, "With --server-side: take over fields others manage")
    flags.string("field-manager", "", "Name of the manager that owns the fields")
    flags.bool("force", False, "Delete and create again where a change is refused")
    flags.bool("overwrite", True, "Let the file win over changes made otherwise")
    flags.bool("prune", False, "Refused: objects are not pruned here")
    flags.array("prune-allowlist", [], "Refused with --prune", hidden=True)
    flags.string("validate", "strict", "strict, warn or ignore unknown fields").implied = "strict"
    flags.bool("wait", False, "Wait for deletions made by --force")
    flags.bool("all", False, "Refused with --prune", hidden=True)
    flags.bool("openapi-patch", True, "Accepted", hidden=True)
    add_dry_run_flag(flags)
    add_output_flags(flags)
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    if flags["prune"]:
        raise not_bundled("apply --prune", "delete what is no longer wanted with kubectl delete")
    if flags["force-conflicts"] and not flags["server-side"]:
        raise KubectlError("--force-conflicts only works with --server-side")
    if flags["kustomize"]:
        raise not_bundled("-k (kustomize)", "apply plain manifests with -f")
    if session.args:
        raise KubectlError(f"Unexpected args: [{' '.join(session.args)}]\nSee 'kubectl apply -h' for help and examples")
    if not flags["filename"]:
        raise KubectlError("must specify one of -f and -k")
    if dry_run(session) == "client" and flags["server-side"]:
        raise KubectlError("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)")
    entries, failures = read_manifests(session)
    found = [entry for entry in entries if matches(flags["selector"], entry.body)]
    if not found and not failures:
        raise KubectlError("no objects passed to apply")
    reporter = Reporter(session)
    for entry in found:
        try:
            apply_one(session, entry, reporter)
        except (ApiError, KubectlError) as error:
            failures.append(error)
    reporter.finish()
    return report(session, failures)


def matches(selector: str, body: dict[str, Any]) -> bool:
    """Whether an object's labels match an equality selector (``a=b,c!=d,e``); "" matches everything."""
    labels = (body.get("metadata") or {}).get("labels") or {}
    for part in filter(None, selector.split(",")):
        if "!=" in part:
            key, _, value = part.partition("!=")
            if labels.get(key.strip()) == value.strip():
                return False
        elif "=" in part:
            key, _, value = part.replace("==", "=").partition("=")
            if labels.get(key.strip()) != value.strip():
                return False
        elif part.startswith("!"):
            if part[1:].strip() in labels:
                return False
        elif part.strip() not in labels:
            return False
    return True


def write_query(session: Session, manager: str) -> dict[str, Any]:
    """Query parameters of a write: field manager, validation, dry run."""
    validate = str(session.flag("validate", "strict")).lower()
    validation = {"strict": "Strict", "true": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"}.get(
        validate
    )
    if validation is None:
        raise KubectlError(f"invalid - validate option {go_quote(validate)}")
    manager = session.flag("field-manager") or manager
    return {"fieldManager": manager, "fieldValidation": validation, **dry_run_query(session)}


def with_annotation(body: dict[str, Any]) -> dict[str, Any]:
    """The object carrying itself as its last applied configuration."""
    meta = dict(body.get("metadata") or {})
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != LAST_APPLIED}
    bare = {**body, "metadata": {**meta, "annotations": annotations}}
    return {**body, "metadata": {**meta, "annotations": {**annotations, LAST_APPLIED: go_json(bare) + "\n"}}}


def apply_one(session: Session, entry: Manifest, reporter: Reporter) -> None:
    """Apply one object and report it. Raises ApiError with kubectl's words around the server's."""
    if session.flag("server-side"):
        _server_side(session, entry, reporter)
        return
    if not entry.name:
        generated = (entry.body.get("metadata") or {}).get("generateName")
        if generated:
            raise KubectlError(f"from {generated}: cannot use generate name with apply")
        raise KubectlError(
            f"error when retrieving current configuration of:\n{_about(entry)}\nfrom server for: "
            f'"{entry.source}": resource name may not be empty'
        )
    modified = with_annotation(entry.body)
    try:
        current = session.client.get(entry.path)
    except ApiError as error:
        if error.reason != "NotFound":
            text = f"retrieving current configuration of:\n{_about(entry)}\nfrom server for:"
            raise error.about(text, entry.source) from error
        _create(session, entry, modified, reporter)
        return
    last = ((current.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    if last is None and dry_run(session) != "server":
        session.complain(
            f"Warning: resource {entry.resource.plural}/{entry.name} is missing the {LAST_APPLIED} annotation which is "
            "required by kubectl apply. kubectl apply should only be used on resources created declaratively by either "
            "kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically."
        )
    if dry_run(session) == "client":
        reporter.tell(entry.shown, "configured", current)
        return
    strategic = built_in(entry.resource.group)
    patch = three_way(json.loads(last) if last else {}, modified, current, entry.resource.kind if strategic else "")
    if not patch:
        reporter.tell(entry.shown, "unchanged", current)
        return
    query = write_query(session, "kubectl-client-side-apply")
    try:
        body = go_json(patch).encode()
        done = session.client.patch(entry.path, body, STRATEGIC_PATCH if strategic else MERGE_PATCH, **query)
    except ApiError as error:
        if session.flag("force") and error.reason in ("Conflict", "Invalid"):
            _again(session, entry, modified, reporter)
            return
        text = f"applying patch:\n{go_json(patch)}\nto:\n{_about(entry)}\nfor:"
        raise error.about("patching", entry.source).about(text, entry.source) from error
    same = done.get("metadata", {}).get("resourceVersion") == current.get("metadata", {}).get("resourceVersion")
    reporter.tell(entry.shown, "unchanged" if same and dry_run(session) == "none" else "configured", done)


def _about(entry: Manifest) -> str:
    resource = entry.resource
    where = f'"{resource.api_version if resource.group else "/" + resource.version}'
    return (
        f'Resource: {where}, Resource={resource.plural}", GroupVersionKind: {where}, Kind={resource.kind}"\n'
        f'Name: "{entry.name}", Namespace: "{entry.namespace}"'
    )


def _create(session: Session, entry: Manifest, body: dict[str, Any], reporter: Reporter) -> None:
    if dry_run(session) == "client":
        reporter.tell(entry.shown, "created", body)
        return
    query = write_query(session, "kubectl-client-side-apply")
    try:
        done = session.client.post(entry.collection, body, **query)
    except ApiError as error:
        raise error.about("creating", entry.source) from error
    reporter.tell(entry.shown, "created", done)


def _again(session: Session, entry: Manifest, body: dict[str, Any], reporter: Reporter) -> None:
    from lab_helpers.tools.kubectl.vanishing import wait_until_gone

    current = session.client.get(entry.path)
    session.client.delete(entry.path, {"propagationPolicy": "Background"})
    wait_until_gone(session.client, entry.resource, entry.namespace, entry.name, str(current["metadata"].get("uid")))
    done = session.client.post(entry.collection, body, **write_query(session, "kubectl-client-side-apply"))
    reporter.tell(entry.shown, "configured", done)


def _server_side(session: Session, entry: Manifest, reporter: Reporter) -> None:
    query = {**write_query(session, "kubectl"), "force": bool(session.flag("force-conflicts"))}
    try:
        done = session.client.patch(entry.path, entry.body, APPLY_PATCH, **query)
    except ApiError as error:
        if error.reason == "Conflict" and error.causes:
            raise KubectlError(f"{error}\n{_CONFLICT_ADVICE}") from error
        raise
    reporter.tell(entry.shown, "serverside-applied", done)
