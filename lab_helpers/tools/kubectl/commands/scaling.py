"""``kubectl scale`` (kubectl pkg/cmd/scale)."""

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags, dry_run, dry_run_query
from lab_helpers.tools.kubectl.selecting import find
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError
from lab_helpers.tools.rest.clients import MERGE_PATCH


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "scale [--resource-version=version] [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME)",
        short="Change the number of replicas",
        example="# Three pods\nkubectl scale deployment backend -n shop --replicas=3",
        run=run,
    )
    flags = command.flags
    flags.bool("all", False, "Every object of the type in the namespace")
    flags.number("current-replicas", -1, "Only if there are so many now")
    add_file_flags(flags)
    flags.number("replicas", 0, "How many replicas")
    flags.string("resource-version", "", "Only if this is the object's version")
    flags.string("selector", "", "Only objects whose labels match", "l")
    flags.duration("timeout", 0, "How long to wait until it is so; 0: do not wait")
    add_dry_run_flag(flags)
    add_output_flags(flags)
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    if not flags.changed("replicas"):
        raise KubectlError('required flag(s) "replicas" not set')
    if flags["replicas"] < 0:
        raise KubectlError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    reporter = Reporter(session)
    try:
        found = find(session, session.args)
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        raise KubectlError(f"no objects passed to scale {error}") from error
    if not found:
        raise KubectlError("no objects passed to scale")
    for item in found:
        body = item.body or {}
        now = (body.get("spec") or {}).get("replicas")
        if flags["current-replicas"] >= 0 and now != flags["current-replicas"]:
            raise KubectlError(f"Expected replicas to be {flags['current-replicas']}, was {now}")
        if dry_run(session) != "client":
            path = item.resource.path(item.namespace, item.name, "scale")
            change = {"spec": {"replicas": flags["replicas"]}}
            session.client.patch(path, change, MERGE_PATCH, **dry_run_query(session))
            if flags["timeout"] and dry_run(session) == "none":
                _wait(session, item.resource.path(item.namespace), item.name, flags["timeout"] / 1e9)
        reporter.tell(item.shown, "scaled", body)
    reporter.finish()
    return 0


def _wait(session: Session, path: str, name: str, seconds: float) -> None:
    from lab_helpers.tools.kubectl.following import follow_object

    for body in follow_object(session.client, path, name, seconds):
        if body is None:
            return
        status = body.get("status") or {}
        if status.get("replicas", 0) == session.flags["replicas"]:
            return
    raise KubectlError("timed out waiting for the condition")
