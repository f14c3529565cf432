"""What a request is about.

Verb, kind, namespace, name and subresource, read from path and query (apiserver ``RequestInfo``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from lab_helpers.twin.objects.errors import bad_request
from lab_helpers.twin.objects.kinds import Kind, Kinds

__all__ = ["Query", "Target", "locate", "media_types"]


@dataclass(frozen=True, slots=True)
class Target:
    """The object or collection behind a path. ``rest`` is what follows a ``proxy`` subresource."""

    kind: Kind
    version: str
    namespace: str
    name: str
    subresource: str
    rest: str = ""

    @property
    def api_version(self) -> str:
        """The version this request speaks."""
        return f"{self.kind.group}/{self.version}" if self.kind.group else self.version


class Query:
    """The query string of one request."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self._values = parse_qs(raw, keep_blank_values=True)

    def text(self, name: str, default: str = "") -> str:
        """The first value."""
        return self._values.get(name, [default])[0]

    def texts(self, name: str) -> list[str]:
        """All values (``command`` of exec)."""
        return self._values.get(name, [])

    def flag(self, name: str) -> bool:
        """True for ``1``, ``true``, or the name alone."""
        return name in self._values and self._values[name][0].lower() not in ("false", "0")

    def set(self, name: str, value: str) -> None:
        """Set a value that the body gave (``dryRun`` of DeleteOptions)."""
        self._values[name] = [value]

    def number(self, name: str) -> int | None:
        """An integer, None when absent. Raises 400."""
        text = self.text(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def locate(kinds: Kinds, path: str) -> Target | None:
    """The target of ``/api/v1/…`` or ``/apis/<group>/<version>/…``; None when nothing is served there."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, parts = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and not _is_namespace_subresource(group, parts):
        namespace, parts = parts[1], parts[2:]
    kind = kinds.served(group, version, parts[0])
    if kind is None or (namespace and not kind.namespaced):
        return None
    name, subresource = (*parts[1:3], "", "")[:2]
    rest = "/".join(parts[3:])
    if kind.namespaced and name and not namespace:
        return None
    if rest and subresource != "proxy":
        return None
    return Target(kind, version, namespace, name, subresource, rest)


def _is_namespace_subresource(group: str, parts: list[str]) -> bool:
    return group == "" and len(parts) == 3 and parts[2] in ("status", "finalize")


def media_types(accept: str) -> list[tuple[str, Mapping[str, str]]]:
    """The media types of an Accept header with their parameters, in order of preference as written."""
    found: list[tuple[str, Mapping[str, str]]] = []
    for part in accept.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        pairs = (parameter.partition("=")[::2] for parameter in parameters)
        found.append((name, {key.strip(): value.strip().strip('"') for key, value in pairs}))
    return found
