"""One request to the API server, independent of the transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab_helpers.twin.api.authenticating import User
from lab_helpers.twin.api.requests import Query, media_types

__all__ = ["Call", "TableWish"]


@dataclass(frozen=True, slots=True)
class TableWish:
    """The client asks for a Table (``kubectl get``) or for metadata only."""

    kind: str
    version: str


@dataclass(slots=True)
class Call:
    """Method, path, query, headers (lower-case names), body and who asks."""

    method: str
    path: str
    query: Query
    headers: Mapping[str, str]
    body: bytes
    user: User

    def transform(self) -> TableWish | None:
        """The first representation the client accepts that is not plain JSON; None when plain JSON comes first."""
        for name, parameters in media_types(self.headers.get("accept", "")):
            if name not in ("application/json", "*/*", "application/*"):
                continue
            kind, group = parameters.get("as", ""), parameters.get("g", "")
            if not kind:
                return None
            if group == "meta.k8s.io" and kind in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
                return TableWish(kind, parameters.get("v", "v1"))
        return None

    @property
    def content_type(self) -> str:
        """The body's media type without parameters."""
        return self.headers.get("content-type", "application/json").partition(";")[0].strip()

    @property
    def manager(self) -> str:
        """Who owns the fields this request writes: ``fieldManager``, or the first word of the User-Agent."""
        given = self.query.text("fieldManager")
        return given or self.headers.get("user-agent", "").partition("/")[0][:128] or "unknown"

    @property
    def dry_run(self) -> bool:
        """``dryRun=All``."""
        return "All" in self.query.texts("dryRun")
