"""What can go wrong in the policy engine.

::

    PolicyEngineError
    ├── PolicyError          an object is refused, as Cilium refuses it
    ├── ManifestError        text is no YAML, or not a Kubernetes object
    ├── UnknownIdentity      a number nobody has told the repository about
    ├── PrefixError          text that is no prefix (``prefixes``), with Go's words; a ValueError as well
    └── RegexError           a pattern RE2 (and so Envoy) does not accept
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["ManifestError", "PolicyEngineError", "PolicyError", "Position", "RegexError", "UnknownIdentity"]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text: ``file`` as given by the caller, ``line`` and ``column`` from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class PolicyEngineError(Exception):
    """Root of everything this package raises on purpose."""


@dataclass(frozen=True, slots=True)
class _Where:
    kind: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    position: Position | None = None


class PolicyError(PolicyEngineError):
    """An object that Cilium's agent does not import; traffic behaves as if it did not exist.

    ``message``  Cilium's own words (without the place).
    ``category`` our class of the error, e.g. ``empty-rule``, ``bad-cidr`` (see :mod:`lab_helpers.policy.categories`).
    ``path``     the field, e.g. ``spec.ingress[0].toPorts[0].ports[1].port``.
    ``position`` file, line and column, when the object was read from text.
    """

    def __init__(
        self,
        message: str,
        *,
        category: str,
        path: str = "",
        kind: str = "",
        namespace: str = "",
        name: str = "",
        position: Position | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.category = category
        self._where = _Where(kind, namespace, name, path, position)

    @property
    def path(self) -> str:
        """The field's path, ``""`` when the object as a whole is meant."""
        return self._where.path

    @property
    def kind(self) -> str:
        """The object's kind."""
        return self._where.kind

    @property
    def namespace(self) -> str:
        """The object's namespace, ``""`` for cluster-scoped ones."""
        return self._where.namespace

    @property
    def name(self) -> str:
        """The object's name."""
        return self._where.name

    @property
    def position(self) -> Position | None:
        """Where in a file the field stands, if it was read from one."""
        return self._where.position

    def located(self, position: Position | None) -> PolicyError:
        """The same error, with a place in a file."""
        other = PolicyError(self.message, category=self.category)
        other._where = replace(self._where, position=position)
        return other

    def owned(self, kind: str, namespace: str, name: str) -> PolicyError:
        """The same error, as one of the named object."""
        other = PolicyError(self.message, category=self.category)
        other._where = replace(self._where, kind=kind, namespace=namespace, name=name)
        return other

    def __str__(self) -> str:
        where = self._where
        owner = "/".join(part for part in (where.kind, where.namespace, where.name) if part)
        place = ": ".join(str(part) for part in (where.position, owner, where.path) if part)
        return f"{place}: {self.message}" if place else self.message


class ManifestError(PolicyEngineError):
    """Text that cannot be read as Kubernetes objects. ``position`` says where."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return f"{self.position}: {self.message}" if self.position else self.message


class UnknownIdentity(PolicyEngineError):
    """A numeric identity was used that the repository was never told about."""

    def __init__(self, numeric: int) -> None:
        super().__init__(f"identity {numeric} is not known here: upsert it (or an endpoint that carries it) first")
        self.numeric = numeric


class RegexError(PolicyEngineError):
    """A regular expression that RE2 refuses (look-around and back-references, for example)."""
