"""``kubectl explain``: what the server's OpenAPI (v3) says about a type's fields (kubectl pkg/explain/v2)."""

from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError, PlainError
from lab_helpers.tools.kubectl.explaining import Schemas, UnknownFieldError, explain_text
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError, NoResourceError


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "explain TYPE [--recursive=FALSE|TRUE] [--api-version=api-version-group]",
        short="Describe the fields of a type",
        example="kubectl explain pods\nkubectl explain cnp.spec.egress",
        run=run,
    )
    command.flags.string("api-version", "", "Group and version of the type")
    command.flags.string("output", "plaintext", "plaintext", "o")
    command.flags.bool("recursive", False, "Names of all fields below")
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    if not session.args:
        raise KubectlError(
            'You must specify the type of resource to explain. Use "kubectl api-resources" for a complete list of '
            "supported resources."
        )
    if len(session.args) > 1:
        raise KubectlError(
            "We accept only this format: explain RESOURCE\n\nSee 'kubectl explain -h' for help and examples"
        )
    if session.flags["output"] not in ("plaintext", "plaintext-openapiv2"):
        raise KubectlError(f"unrecognized format: {session.flags['output']}")
    word, *fields = session.args[0].rstrip(".").split(".")
    try:
        resource = session.catalogue.find(word)
    except NoResourceError as error:
        raise PlainError(str(error)) from error
    wanted = session.flags["api-version"]
    if wanted:
        group, _, version = wanted.rpartition("/")
        resource = session.catalogue.find(f"{resource.plural}.{version}.{group}" if group else resource.plural)
    path = (
        f"/openapi/v3/apis/{resource.group}/{resource.version}"
        if resource.group
        else f"/openapi/v3/api/{resource.version}"
    )
    try:
        document: dict[str, Any] = session.client.get(path)
    except ApiError as error:
        if error.code != 404:
            raise
        raise KubectlError(
            f'couldn\'t find resource for "{resource.api_version}, Kind={resource.kind}": the server offers no '
            "schema for it"
        ) from error
    try:
        session.out.write(explain_text(Schemas(document), resource, fields, recursive=session.flags["recursive"]))
    except UnknownFieldError as error:
        session.out.write(error.head)
        raise
    return 0
