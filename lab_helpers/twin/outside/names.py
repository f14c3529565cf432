"""What is outside: names with their records, servers with their pages.

A value that can be merged with more of the same form. It says what there is on every kind of cluster, so the kind
backend reads it as well; nothing else of the twin is needed for that.

``load_internet()`` reads the course's data; ``parse_internet(text)`` reads a learner's addition (a ConfigMap's value)
in the same form::

    names:
      shop.example.net: {a: [192.0.2.7], ttl: 20}
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

__all__ = ["CONFIG_MAP", "Internet", "Name", "OutsideError", "Page", "Server", "load_internet", "parse_internet"]

CONFIG_MAP = ("kube-system", "outside-names")
"""Namespace and name of the ConfigMap in which learners add names of their own."""
_NAME_FIELDS = frozenset({"a", "aaaa", "cname", "ttl", "rotate", "server"})
_SERVER_FIELDS = frozenset({"http", "server", "pages", "issuer", "names"})
_PAGE_FIELDS = frozenset({"status", "type", "body"})
_RANGE_LIMIT = 4096


class OutsideError(Exception):
    """The description of the outside is wrong; the message names the entry and the field."""


@dataclass(frozen=True, slots=True)
class Name:
    """A DNS name. ``rotate`` 0 shows all addresses."""

    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    cname: str = ""
    ttl: int = 300
    rotate: int = 0
    server: str = "page"


@dataclass(frozen=True, slots=True)
class Page:
    """A fixed answer."""

    status: int = 200
    type: str = "text/plain"
    body: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """An HTTP and HTTPS server."""

    redirect: bool = False
    banner: str = ""
    pages: Mapping[str, Page] = field(default_factory=dict)
    issuer: str = "Simulated Public CA"
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Internet:
    """Everything outside."""

    names: Mapping[str, Name] = field(default_factory=dict)
    servers: Mapping[str, Server] = field(default_factory=dict)
    resolvers: tuple[str, ...] = ()

    def merged(self, other: Internet) -> Internet:
        """With ``other``'s entries added; the later one wins."""
        return replace(
            self,
            names={**self.names, **other.names},
            servers={**self.servers, **other.servers},
            resolvers=tuple(dict.fromkeys((*self.resolvers, *other.resolvers))),
        )

    def names_at(self, address: str) -> list[str]:
        """The names that have this address."""
        return [name for name, one in self.names.items() if address in one.a or address in one.aaaa]


def load_internet() -> Internet:
    """The course's outside."""
    return parse_internet(resources.files(__package__).joinpath("internet.yaml").read_text(encoding="utf-8"))


def parse_internet(text: str) -> Internet:
    """Raises OutsideError."""
    import yaml

    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise OutsideError(f"the outside is not YAML: {error}") from error
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise OutsideError("the outside: expected a mapping with names, servers, resolvers")
    _only(document, frozenset({"names", "servers", "resolvers"}), "the outside")
    names = {
        str(name).rstrip(".").lower(): _name(str(name), spec) for name, spec in (document.get("names") or {}).items()
    }
    servers = {str(name): _server(str(name), spec) for name, spec in (document.get("servers") or {}).items()}
    resolvers = tuple(_address(str(a), 4, "resolvers") for a in document.get("resolvers") or ())
    return Internet(names, servers, resolvers)


def _only(spec: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(set(map(str, spec)) - known)
    if unknown:
        raise OutsideError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}")


def _name(name: str, spec: Any) -> Name:
    where = f"names.{name}"
    if not isinstance(spec, dict):
        raise OutsideError(f"{where}: expected a mapping such as {{a: [192.0.2.7], ttl: 20}}")
    _only(spec, _NAME_FIELDS, where)
    numbers = {}
    for key, default in (("ttl", 300), ("rotate", 0)):
        value = spec.get(key, default)
        if not isinstance(value, int) or value < 0:
            raise OutsideError(f"{where}.{key}: expected a number of at least 0, not {value!r}")
        numbers[key] = value
    if spec.get("cname") and (spec.get("a") or spec.get("aaaa")):
        raise OutsideError(f"{where}: a name has either a cname or addresses")
    return Name(
        tuple(a for text in spec.get("a") or () for a in _range(str(text), f"{where}.a")),
        tuple(_address(str(a), 6, f"{where}.aaaa") for a in spec.get("aaaa") or ()),
        str(spec.get("cname") or "").rstrip(".").lower(),
        numbers["ttl"],
        numbers["rotate"],
        str(spec.get("server") or "page"),
    )


def _range(text: str, where: str) -> list[str]:
    first, dash, last = text.partition("-")
    low = int(ipaddress.IPv4Address(_address(first, 4, where)))
    if not dash:
        return [first]
    high = int(ipaddress.IPv4Address(_address(last, 4, where)))
    if not low <= high < low + _RANGE_LIMIT:
        raise OutsideError(f"{where}: {text} is not a range of 1 to {_RANGE_LIMIT} addresses")
    return [str(ipaddress.IPv4Address(number)) for number in range(low, high + 1)]


def _address(text: str, version: int, where: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        found = None
    if found is None or found.version != version:
        raise OutsideError(f"{where}: {text!r} is not an IPv{version} address")
    return str(found)


def _server(name: str, spec: Any) -> Server:
    where = f"servers.{name}"
    if not isinstance(spec, dict):
        raise OutsideError(f"{where}: expected a mapping")
    _only(spec, _SERVER_FIELDS, where)
    if spec.get("http", "serve") not in ("serve", "redirect"):
        raise OutsideError(f"{where}.http: expected serve or redirect, not {spec['http']!r}")
    pages = {}
    for path, page in (spec.get("pages") or {}).items():
        _only(page, _PAGE_FIELDS, f"{where}.pages.{path}")
        pages[str(path)] = Page(
            int(page.get("status", 200)), str(page.get("type", "text/plain")), str(page.get("body", ""))
        )
    issuer = spec.get("issuer", "Simulated Public CA")
    return Server(
        spec.get("http") == "redirect", str(spec.get("server", "")), pages, str(issuer), tuple(spec.get("names") or ())
    )
