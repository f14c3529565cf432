"""``-o custom-columns=NAME:.metadata.name,…`` and ``custom-columns-file``."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.output.jsonpaths import Path, evaluate, parse_path, relaxed


class Column(NamedTuple):
    """A header and the path of its values."""

    header: str
    path: Path


def parse_columns(spec: str) -> list[Column]:
    """``HEADER:path`` pairs separated by commas. Raises KubectlError."""
    if not spec:
        raise KubectlError("custom-columns format specified but no custom columns given")
    columns = []
    for part in spec.split(","):
        header, colon, path = part.partition(":")
        if not colon or not path:
            raise KubectlError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        columns.append(Column(header, parse_path(relaxed(path))))
    return columns


def parse_columns_file(text: str) -> list[Column]:
    """Two lines: headers and paths, separated by blanks."""
    lines = text.splitlines()
    if len(lines) < 2:
        raise KubectlError("custom-columns-file must have a line of headers and a line of paths")
    headers, paths = lines[0].split(), lines[1].split()
    if len(headers) != len(paths):
        raise KubectlError(f"number of headers ({len(headers)}) and field specifications ({len(paths)}) don't match")
    return [Column(header, parse_path(relaxed(path))) for header, path in zip(headers, paths, strict=True)]


def _cell(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_cell(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_cell(item) for item in value) + "]"
    return str(value)


def cells(columns: Sequence[Column], item: Any) -> list[str]:
    """One object's row; a missing value is ``<none>``."""
    out = []
    for column in columns:
        values = evaluate(column.path, item, item, False)
        out.append(",".join(_cell(value) for value in values) if values else "<none>")
    return out


def rows(columns: Sequence[Column], items: Iterable[Any], *, headers: bool) -> Iterable[list[str]]:
    """Header row and one row for each object."""
    if headers:
        yield [column.header for column in columns]
    for item in items:
        yield cells(columns, item)
