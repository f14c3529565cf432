"""ConfigMaps and Secrets, of literals, files and folders."""

import base64
import os
import re
from typing import Any

from lab_helpers.tools.goflags import Command
from lab_helpers.tools.kubectl.creations.objects import create_command
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.sessions import Session

__all__ = ["configmap", "gathered", "secret"]

Body = dict[str, Any]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise KubectlError(f"error reading {path}: {(error.strerror or str(error)).lower()}") from error


def gathered(session: Session) -> dict[str, bytes]:
    """What --from-literal, --from-file and --from-env-file say, by key."""
    out: dict[str, bytes] = {}

    def put(key: str, value: bytes) -> None:
        if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
            raise KubectlError(
                f'"{key}" is not valid key name: a valid config key must consist of alphanumeric characters, '
                "'-', '_' or '.'"
            )
        if key in out:
            raise KubectlError(f'cannot add key "{key}", another key by that name already exists in Data')
        out[key] = value

    for word in session.flags["from-literal"]:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise KubectlError(f"invalid literal source {word}, expected key=value")
        put(key, value.encode())
    for word in session.flags["from-file"]:
        key, equals, path = word.partition("=")
        if not equals:
            key, path = os.path.basename(word), word
        if os.path.isdir(path):
            if equals:
                raise KubectlError("cannot give a key name for a directory path")
            for name in sorted(os.listdir(path)):
                inner = os.path.join(path, name)
                if os.path.isfile(inner):
                    put(name, _read(inner))
        else:
            put(key, _read(path))
    for path in session.flags["from-env-file"]:
        for line in _read(path).decode("utf-8", "replace").splitlines():
            text = line.strip()
            if text and not text.startswith("#"):
                key, equals, value = text.partition("=")
                put(key, value.encode() if equals else os.environ.get(key, "").encode())
    return out


def _sources(command: Command) -> None:
    command.flags.strings("from-file", [], "A file, or KEY=FILE, or a folder")
    command.flags.array("from-literal", [], "KEY=VALUE")
    command.flags.strings("from-env-file", [], "A file of KEY=VALUE lines")


def configmap() -> Command:
    """``create configmap``."""

    def make(session: Session, name: str) -> Body:
        body: Body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        for key, value in gathered(session).items():
            try:
                body.setdefault("data", {})[key] = value.decode("utf-8")
            except UnicodeDecodeError:
                body.setdefault("binaryData", {})[key] = base64.b64encode(value).decode()
        return body

    command = create_command(
        "configmap NAME",
        "Create a ConfigMap",
        "# From a file and a value\nkubectl create configmap app --from-file=server.py --from-literal=mode=test",
        make,
        ("cm",),
    )
    _sources(command)
    return command


def secret() -> Command:
    """``create secret generic``."""

    def make(session: Session, name: str) -> Body:
        body: Body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        found = gathered(session)
        if found:
            body["data"] = {key: base64.b64encode(value).decode() for key, value in found.items()}
        if session.flags["type"]:
            body["type"] = session.flags["type"]
        return body

    command = Command("secret (docker-registry | generic | tls)", short="Create a Secret")
    generic = create_command(
        "generic NAME",
        "Create a Secret from files and values",
        "# One value\nkubectl create secret generic db --from-literal=password=s3cret",
        make,
    )
    generic.flags.string("type", "", "The Secret's type")
    _sources(generic)
    command.add(generic)
    return command
