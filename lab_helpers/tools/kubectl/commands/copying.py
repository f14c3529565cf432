"""``kubectl cp``: files into and out of containers, through tar in the container (kubectl pkg/cmd/cp)."""

import io
import os
import posixpath
import tarfile
from typing import NamedTuple

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.choosing import default_container
from lab_helpers.tools.kubectl.errors import KubectlError, PlainError, UsageFault
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.clients import quote
from lab_helpers.tools.rest.executing import Completed, RemoteCommand, execute

_CHUNK = 32 * 1024


class _Place(NamedTuple):
    """``[namespace/]pod:path``, or a local path with an empty pod."""

    namespace: str
    pod: str
    path: str


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "cp <file-spec-src> <file-spec-dest>",
        short="Copy files into and out of containers",
        example="""# Into a pod
kubectl cp notes.txt shop/frontend:/tmp/notes.txt

# Out of it
kubectl cp shop/frontend:/etc/resolv.conf resolv.conf""",
        run=run,
    )
    command.flags.string("container", "", "Container of the pod", "c")
    command.flags.bool("no-preserve", False, "Accepted: owners and permissions are not kept anyway")
    command.flags.number("retries", 0, "Accepted: a copy is one request here")
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    if len(session.args) != 2:
        raise UsageFault(session.path, "source and destination are required")
    source, target = (_place(word) for word in session.args)
    if source.pod and target.pod:
        raise KubectlError("one of src or dest must be a local file specification")
    if not source.path or not target.path:
        raise KubectlError("filepath can not be empty")
    if target.pod:
        return _upload(session, source.path, target)
    if source.pod:
        return _download(session, source, target.path)
    raise UsageFault(session.path, "one of src or dest must be a remote file specification")


def _place(word: str) -> _Place:
    where, colon, path = word.partition(":")
    if not colon or word.startswith((".", "/")) or (os.name == "nt" and len(where) == 1):
        return _Place("", "", word)
    namespace, slash, pod = where.rpartition("/")
    if (slash and "/" in namespace) or not pod:
        raise KubectlError("Filespec must match the canonical format: [[namespace/]pod:]file/path")
    return _Place(namespace, pod, path)


def _remote(session: Session, place: _Place) -> tuple[str, str, str]:
    """Namespace, pod and container."""
    namespace = quote(place.namespace or session.namespace)
    pod = session.client.get(f"/api/v1/namespaces/{namespace}/pods/{quote(place.pod)}")
    container = session.flags["container"] or default_container(session, pod)
    return pod["metadata"]["namespace"], pod["metadata"]["name"], container


def _upload(session: Session, source: str, target: _Place) -> int:
    if not os.path.exists(source):
        raise KubectlError(f"{source} doesn't exist in local filesystem")
    namespace, pod, container = _remote(session, target)
    path = posixpath.normpath(target.path)
    if execute(session.client, namespace, pod, ["test", "-d", path], container=container).exit_code == 0:
        path = posixpath.join(path, os.path.basename(os.path.normpath(source)))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:") as archive:
        archive.add(source, arcname=posixpath.basename(path))
    words = ["tar", "-xmf", "-", "-C", posixpath.dirname(path) or "."]
    out, err = bytearray(), bytearray()
    remote = RemoteCommand(session.client, namespace, pod, container, words, stdin=True)
    data = packed.getvalue()
    for start in range(0, len(data), _CHUNK):
        remote.send(data[start : start + _CHUNK])
    remote.end_input()
    ended = remote.run(out.extend, err.extend)
    return _over(session, Completed(ended.exit_code, "", err.decode("utf-8", "replace"), ended.message))


def _download(session: Session, source: _Place, target: str) -> int:
    namespace, pod, container = _remote(session, source)
    out, err = bytearray(), bytearray()
    remote = RemoteCommand(session.client, namespace, pod, container, ["tar", "cf", "-", source.path])
    ended = remote.run(out.extend, err.extend)
    status = _over(session, Completed(ended.exit_code, "", err.decode("utf-8", "replace"), ended.message))
    prefix = posixpath.normpath(source.path).lstrip("/")
    if os.path.isdir(target):
        target = os.path.join(target, posixpath.basename(prefix))
    with tarfile.open(fileobj=io.BytesIO(bytes(out)), mode="r:") as archive:
        for entry in archive:
            _unpack(archive, entry, prefix, target)
    return status


def _unpack(archive: tarfile.TarFile, entry: tarfile.TarInfo, prefix: str, target: str) -> None:
    """One member; what would lie outside `target`, and links, are left out, as kubectl does."""
    inside = posixpath.relpath(posixpath.normpath(entry.name), prefix)
    if inside.startswith("..") or not (entry.isfile() or entry.isdir()):
        return
    path = target if inside == "." else os.path.join(target, *inside.split("/"))
    try:
        if entry.isdir():
            os.makedirs(path, exist_ok=True)
            return
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        content = archive.extractfile(entry)
        with open(path, "wb") as file:
            file.write(content.read() if content is not None else b"")
    except OSError as error:
        raise KubectlError(f"open {path}: {(error.strerror or str(error)).lower()}") from error


def _over(session: Session, done: Completed) -> int:
    """Say what tar said; its failure is this command's."""
    if done.stderr:
        session.complain(done.stderr.rstrip("\n"))
    if done.message:
        raise KubectlError(done.message)
    if done.exit_code:
        raise PlainError(f"command terminated with exit code {done.exit_code}", done.exit_code)
    return 0
