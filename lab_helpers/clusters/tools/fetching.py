"""A file over HTTP: what arrived before is kept and continued with, what is not whole is never taken for whole.

Beside ``<file>.part`` lies ``<file>.part.json``: the address and the server's tag of the version that was begun, so
that two versions are never joined. Proxies are found as urllib finds them (HTTPS_PROXY, NO_PROXY, the system's
settings).
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from lab_helpers.clusters.tools.errors import FetchError

__all__ = ["Progress", "fetch", "fetch_text"]

Progress = Callable[[int, "int | None"], None]
"""Told bytes so far and bytes in all (None when the server does not say)."""

_CHUNK: Final = 256 * 1024
_SMALL: Final = 1 << 20
ATTEMPTS: Final = 4


def fetch_text(url: str, *, timeout: float = 30.0) -> str:
    """A small text. Raises FetchError."""
    try:
        with _open(url, {}, timeout) as answer:
            data: bytes = answer.read(_SMALL + 1)
    except (OSError, http.client.HTTPException) as error:
        raise _failed(url, error, timeout) from error
    if len(data) > _SMALL:
        raise FetchError("the answer is too long for a file of sums", where=url)
    return data.decode("utf-8", errors="replace")


def fetch(url: str, target: Path, *, progress: Progress = lambda _done, _all: None, timeout: float = 30.0) -> Path:
    """Bring ``url`` to ``target``; returns it. Continues what an earlier call left. Raises FetchError.

    ``timeout`` is how many seconds may pass without a byte.
    """
    part, notes = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.json")
    stuck = 0
    while True:
        before = _size(part)
        try:
            _transfer(url, part, notes, progress, timeout)
        except _TransferEndedError as again:
            stuck = stuck + 1 if _size(part) <= before else 0
            if stuck >= ATTEMPTS - 1 or not again.retry:
                raise _failed(url, again.reason, timeout) from again.reason
        else:
            part.replace(target)
            notes.unlink(missing_ok=True)
            return target


class _TransferEndedError(Exception):
    """The transfer ended early."""

    def __init__(self, reason: Exception, *, retry: bool = True) -> None:
        self.reason = reason
        self.retry = retry
        super().__init__(str(reason))


def _transfer(url: str, part: Path, notes: Path, progress: Progress, timeout: float) -> None:
    begun = _notes(notes)
    have = _size(part) if begun.get("url") == url and begun.get("tag") else 0
    headers = {"Range": f"bytes={have}-", "If-Range": str(begun["tag"])} if have else {}
    try:
        with _open(url, headers, timeout) as answer:
            if answer.status == 206 and _start(answer) != have:
                part.unlink(missing_ok=True)
                raise _TransferEndedError(FetchError("the server continued at another place"))
            if answer.status != 206:
                have = 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length and length.isdigit() else None
            _note(notes, url, answer.headers)
            _copy(answer, part, have, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            part.unlink(missing_ok=True)
            raise _TransferEndedError(error) from error
        raise _TransferEndedError(error, retry=error.code in (408, 425, 429) or error.code >= 500) from error
    except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
        raise _TransferEndedError(error) from error
    except urllib.error.URLError as error:
        raise _TransferEndedError(error, retry=isinstance(error.reason, (TimeoutError, ConnectionError))) from error
    except OSError as error:
        raise _TransferEndedError(error, retry=False) from error


def _copy(answer: Any, part: Path, have: int, total: int | None, progress: Progress) -> None:
    done = have
    with part.open("ab" if have else "wb") as stream:
        progress(done, total)
        while chunk := answer.read1(_CHUNK):
            stream.write(chunk)
            done += len(chunk)
            progress(done, total)
    if total is not None and done < total:
        raise _TransferEndedError(FetchError(f"it ended after {done} of {total} bytes"))


def _open(url: str, headers: dict[str, str], timeout: float) -> Any:
    if not url.startswith(("https://", "http://")):
        raise FetchError(
            f"not an HTTP address: {url}",
            where="CILIUM_LABS_MIRROR",
            try_="CILIUM_LABS_MIRROR=https://mirror.example/path, which is asked for <it>/github.com/…",
        )
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        url, headers={"User-Agent": "cilium-labs", "Accept-Encoding": "identity", **headers}
    )
    return urllib.request.urlopen(request, timeout=timeout, context=_trust())  # noqa: S310


@functools.cache
def _trust() -> ssl.SSLContext:
    """The system's authorities, and the public ones where a Python has none of its own (macOS, from python.org)."""
    context = ssl.create_default_context()
    with contextlib.suppress(ImportError, OSError):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _start(answer: Any) -> int:
    """``Content-Range: bytes 100-199/200`` → 100; -1 when it says nothing of the kind."""
    words = str(answer.headers.get("Content-Range", "")).removeprefix("bytes ").partition("-")
    return int(words[0]) if words[0].isdigit() else -1


def _note(notes: Path, url: str, headers: Any) -> None:
    """Weak tags cannot join two pieces; then the date of change does."""
    tag = str(headers.get("ETag") or "")
    tag = tag if tag.startswith('"') else str(headers.get("Last-Modified") or "")
    notes.write_text(json.dumps({"url": url, "tag": tag}), encoding="utf-8")


def _notes(notes: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(notes.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _failed(url: str, error: Exception, timeout: float) -> FetchError:
    if isinstance(error, urllib.error.HTTPError):
        what = f"the server answered {error.code} {error.reason}"
        cure = "is the version right? see environment/tools.toml" if error.code == 404 else "try again later"
        if error.code == 407:
            cure = "your proxy wants a password: HTTPS_PROXY=http://user:password@proxy:port"
        return FetchError(what, where=url, try_=cure)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return FetchError(
            f"nothing came for {timeout:g} s", where=url, try_="the same command goes on where this one stopped"
        )
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FetchError(
            f"the server's certificate is not trusted: {reason.verify_message}",
            where=url,
            try_="behind an inspecting proxy: SSL_CERT_FILE=<its authority's certificate>",
        )
    if isinstance(reason, socket.gaierror):
        return FetchError(
            f"the name cannot be resolved: {reason}",
            where=url,
            try_="without internet: CILIUM_LABS_MIRROR, or CILIUM_LABS_BUNDLE (cilium-labs bundle --help)",
        )
    if isinstance(reason, OSError) and reason.filename:
        return FetchError(f"cannot write: {reason.strerror}", where=str(reason.filename), try_="free some space")
    return FetchError(
        f"the download failed: {reason}", where=url, try_="the same command goes on where this one stopped"
    )
