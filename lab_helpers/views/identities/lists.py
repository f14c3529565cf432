"""Security identities and the pods that share them, as a short list."""

from __future__ import annotations

from dataclasses import dataclass

from lab_helpers.views.display import View
from lab_helpers.views.tables import Table

__all__ = ["IdentityRow", "IdentityTable"]


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """A numeric identity, its labels (``source:key=value``) and ``namespace/pod (address)`` of those who have it."""

    numeric: int
    labels: tuple[str, ...]
    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdentityTable(View):
    """Identities in the order given."""

    rows: tuple[IdentityRow, ...]
    title: str = ""

    def table(self) -> Table:
        """The table both forms show; one line per label would be long, so they are joined."""
        return Table(
            ("identity", "pods", "labels"),
            tuple((str(row.numeric), ", ".join(row.pods), ", ".join(row.labels)) for row in self.rows),
            self.title,
            "no identities: no pod has an endpoint yet",
        )

    def text(self) -> str:
        """Aligned columns."""
        return self.table().text()

    def body(self) -> str:
        """A table."""
        return self.table().body()
