"""Publishers' files of sums: a bare SHA-256, or lines of ``<sum>  <file>`` as sha256sum and shasum write them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from lab_helpers.clusters.tools.errors import ToolError

__all__ = ["file_sum", "parse_checksums"]

_SUM: Final = re.compile(r"[0-9a-fA-F]{64}")
_CHUNK: Final = 1 << 20


def parse_checksums(text: str, file: str, *, where: str = "") -> str:
    """The SHA-256 of ``file`` (lower case, hexadecimal). Raises ToolError when the text has none, or only of others."""
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    sums = [line for line in lines if _SUM.fullmatch(line[0])]
    named = [line[0] for line in sums if len(line) == 2 and _base(line[1]) == file]
    bare = [line[0] for line in sums if len(line) == 1]
    found = named or (bare if len(lines) == 1 else [])
    if not found:
        raise ToolError(
            f"the publisher's checksum file has no SHA-256 of {file}",
            where=where,
            try_="a proxy may have answered in its place; open the address in a browser",
        )
    return found[0].lower()


def file_sum(path: Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _base(name: str) -> str:
    return name.strip().lstrip("*").replace("\\", "/").rpartition("/")[2]
