"""URLs as curl reads them: a guessed scheme, globbing of ``[1-3]`` and ``{a,b}``."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from lab_helpers.twin.containers.errors import ContainersError

__all__ = ["BadUrl", "Url", "glob", "join", "parse_url"]


class BadUrl(ContainersError):
    """Exit ``code`` with ``message``."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Url(NamedTuple):
    """``target`` is path and query; ``host`` is without brackets."""

    scheme: str
    host: str
    port: int
    target: str
    user: str | None

    @property
    def authority(self) -> str:
        """For the Host header: the port only when it is not the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def file_name(self) -> str:
        """What -O saves to."""
        return unquote(self.target.partition("?")[0].rsplit("/", 1)[-1])


def parse_url(text: str) -> Url:
    """Raises BadUrl: 3 malformed, 1 unsupported protocol."""
    if any(char.isspace() or ord(char) < 32 for char in text):
        raise BadUrl(3, "URL rejected: Malformed input to a URL function")
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        text = "http://" + text
    scheme = text.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise BadUrl(1, f'Protocol "{scheme}" not supported')
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadUrl(3, "URL rejected: Port number was not a decimal number between 0 and 65535") from None
    host = parts.hostname or ""
    if not host:
        raise BadUrl(3, "URL rejected: No host part in the URL")
    if re.search(r"[^A-Za-z0-9._:%~-]", host) and host.isascii():
        raise BadUrl(3, "URL rejected: Bad hostname")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query or text.split("#")[0].endswith("?") else "")
    user = None
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Url(scheme, host, port if port is not None else {"http": 80, "https": 443}[scheme], target, user)


def join(base: Url, location: str) -> Url:
    """Where a redirect goes. Raises BadUrl."""
    return parse_url(urljoin(base.text, location))


def glob(text: str) -> list[str]:
    """All URLs of a pattern, in curl's order. Raises BadUrl(3)."""
    address = re.match(r"([a-z]+://)?\[[0-9a-fA-F:.%]+\]", text)
    prefix = address.group() if address else ""
    found = re.search(r"\{([^{}]*)\}|\[(\d+)-(\d+)(?::(\d+))?\]|\[([a-z])-([a-z])\]", text[len(prefix) :])
    if not found:
        return [text]
    before, after = text[: len(prefix) + found.start()], text[len(prefix) + found.end() :]
    if found.group(1) is not None:
        choices = found.group(1).split(",")
    elif found.group(2) is not None:
        low, high, step = int(found.group(2)), int(found.group(3)), int(found.group(4) or 1)
        if low > high or step < 1 or high - low > 100_000:
            raise BadUrl(3, f"bad range in URL position {len(before) + 1}:\n{text}\n{' ' * len(before)}^")
        width = len(found.group(2)) if found.group(2).startswith("0") else 0
        choices = [str(number).zfill(width) for number in range(low, high + 1, step)]
    else:
        choices = [chr(code) for code in range(ord(found.group(5)), ord(found.group(6)) + 1)]
    return [url for choice in choices for url in glob(f"{before}{choice}{after}")]
