"""``kubectl replace`` (kubectl pkg/cmd/replace)."""

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.commands.applying import write_query
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.manifests import Failures, Manifest, read_manifests, report
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags, dry_run
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "replace -f FILENAME",
        short="Replace objects by what files hold",
        example="# Replace, or delete and create again\n"
        "kubectl replace -f pod.yaml\n"
        "kubectl replace --force -f pod.yaml",
        run=run,
    )
    flags = command.flags
    add_file_flags(flags, "Files or folders; - is standard input")
    flags.bool("force", False, "Delete and create again")
    flags.string("validate", "strict", "strict, warn or ignore unknown fields").implied = "strict"
    flags.string("field-manager", "kubectl-replace", "Name of the manager that owns the fields")
    add_dry_run_flag(flags)
    add_output_flags(flags)
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    if not session.flags["filename"] and not session.flags["kustomize"]:
        raise KubectlError("must specify one of -f and -k")
    entries, failures = read_manifests(session)
    reporter = Reporter(session)
    refused: Failures = []
    for entry in entries:
        try:
            _replace(session, entry, reporter)
        except ApiError as error:
            refused.append(error.about("replacing", entry.source))
    reporter.finish()
    return report(session, refused + failures)


def _replace(session: Session, entry: Manifest, reporter: Reporter) -> None:
    query = write_query(session, "kubectl-replace")
    if session.flags["force"] and dry_run(session) == "none":
        from lab_helpers.tools.kubectl.vanishing import wait_until_gone

        try:
            session.client.delete(entry.path, {"propagationPolicy": "Background", "gracePeriodSeconds": 0})
            session.say(f'{entry.resource.singular_name} "{entry.name}" deleted')
            wait_until_gone(session.client, entry.resource, entry.namespace, entry.name)
        except ApiError as error:
            if error.code != 404:
                raise
        reporter.tell(entry.shown, "replaced", session.client.post(entry.collection, entry.body, **query))
        return
    if dry_run(session) == "client":
        reporter.tell(entry.shown, "replaced", entry.body)
        return
    body = entry.body
    if not (body.get("metadata") or {}).get("resourceVersion"):
        live = session.client.get(entry.path)
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}}
    reporter.tell(entry.shown, "replaced", session.client.put(entry.path, body, **query))
