"""One object made from flags: created, or printed, and reported."""

from collections.abc import Callable
from typing import Any

from lab_helpers.tools.goflags import Command, FlagSet, Invocation
from lab_helpers.tools.kubectl.commands.applying import with_annotation, write_query
from lab_helpers.tools.kubectl.errors import KubectlError, UsageFault
from lab_helpers.tools.kubectl.printing import Reporter, add_dry_run_flag, add_output_flags, dry_run
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError

__all__ = ["add_create_flags", "create_command", "create_object", "failed_to_create", "one_name", "unborn"]

Body = dict[str, Any]


def add_create_flags(flags: FlagSet) -> None:
    """Flags every kind of creation has."""
    flags.string("field-manager", "kubectl-create", "Name of the manager that owns the fields")
    flags.string("validate", "strict", "strict, warn or ignore unknown fields").implied = "strict"
    flags.bool("save-config", False, "Keep the configuration for a later apply")
    add_dry_run_flag(flags)
    add_output_flags(flags)


def create_object(session: Session, body: Body, operation: str = "created") -> Body:
    """Create one object made from flags, in the session's namespace, and report it."""
    client_only = dry_run(session) == "client"
    resource = None if client_only else session.catalogue.of_kind(body["apiVersion"], body["kind"])
    if client_only:
        body = unborn(body)
    namespaced = resource.namespaced if resource else body["kind"] != "Namespace"
    shown_namespace = session.namespace if namespaced and session.namespace_given else ""
    if shown_namespace or (resource is not None and namespaced):
        body["metadata"]["namespace"] = session.namespace
    if session.flag("save-config"):
        body = with_annotation(body)
    group = body["apiVersion"].rpartition("/")[0]
    kind = body["kind"].lower()
    if resource is not None:
        try:
            path = resource.path(session.namespace)
            body = session.client.post(path, body, **write_query(session, "kubectl-create"))
        except ApiError as error:
            raise (failed_to_create(error, kind) if operation == "created" else error) from error
    reporter = Reporter(session)
    reporter.tell(
        f"{kind}.{group}/{body['metadata']['name']}" if group else f"{kind}/{body['metadata']['name']}", operation, body
    )
    reporter.finish()
    return body


def unborn(body: Body) -> Body:
    """The object as kubectl prints it before it exists: creation times are null."""
    out = {**body, "metadata": {"creationTimestamp": None, **body["metadata"]}}
    template = (body.get("spec") or {}).get("template")
    if template:
        template = {**template, "metadata": {"creationTimestamp": None, **(template.get("metadata") or {})}}
        out["spec"] = {**body["spec"], "template": template}
    return out


def failed_to_create(error: ApiError, kind: str) -> Exception:
    """``failed to create configmap: …`` before everything but refusals that name the object themselves."""
    if error.reason == "Invalid":
        return error
    return KubectlError(f"failed to create {kind}: {error}")


def one_name(session: Session) -> str:
    """The single word a creation needs."""
    if len(session.args) != 1:
        raise UsageFault(session.path, f"exactly one NAME is required, got {len(session.args)}")
    return session.args[0]


def create_command(
    use: str, short: str, example: str, make: Callable[[Session, str], Body], aliases: tuple[str, ...] = ()
) -> Command:
    """A command that creates what ``make`` builds of the session's flags and the one NAME."""

    def run_it(invocation: Invocation) -> int:
        session = Session(invocation)
        create_object(session, make(session, one_name(session)))
        return 0

    command = Command(use, short=short, example=example, run=run_it, aliases=aliases)
    add_create_flags(command.flags)
    return command
