"""A release as helm v3 keeps it: JSON, compressed, in a Secret ``sh.helm.release.v1.<name>.v<revision>``.

Layout and labels are those of helm.sh/helm/v3 pkg/storage/driver/secrets.go, so that the real helm reads them.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = ["TYPE", "Release", "decode", "encode", "go_time", "now", "secret_body", "secret_name"]

TYPE = "helm.sh/release.v1"
ZERO = "0001-01-01T00:00:00Z"


def now() -> str:
    """This moment in the local time zone, RFC 3339 with a fraction."""
    return datetime.now(UTC).astimezone().isoformat(timespec="microseconds")


def go_time(text: str) -> datetime:
    """A moment as Go writes it, nanoseconds included (which are cut)."""
    head, dot, rest = text.partition(".")
    if dot:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = f"{head}.{rest[:digits][:6].ljust(6, '0')}{rest[digits:]}"
    return datetime.fromisoformat(text)


@dataclass(slots=True)
class Release:
    """One revision of a release. ``chart`` is the chart's metadata and default values; ``config`` what the user
    gave."""

    name: str
    namespace: str
    version: int
    status: str
    description: str
    manifest: str
    notes: str
    config: dict[str, Any]
    chart: dict[str, Any]
    values: dict[str, Any]
    first_deployed: str = field(default_factory=now)
    last_deployed: str = field(default_factory=now)
    deleted: str = ""
    hooks: list[Any] = field(default_factory=list)

    @property
    def chart_title(self) -> str:
        """``cilium-1.20.2``."""
        return f"{self.chart.get('name', '')}-{self.chart.get('version', '')}"

    @property
    def app_version(self) -> str:
        """The version of what the chart installs."""
        return str(self.chart.get("appVersion", ""))

    def as_json(self) -> dict[str, Any]:
        """helm's own form."""
        info: dict[str, Any] = {
            "first_deployed": self.first_deployed,
            "last_deployed": self.last_deployed,
            "deleted": self.deleted,
            "description": self.description,
            "status": self.status,
        }
        if self.notes:
            info["notes"] = self.notes
        body: dict[str, Any] = {"name": self.name, "info": info}
        body["chart"] = {
            "metadata": self.chart,
            "lock": None,
            "templates": [],
            "values": self.values,
            "schema": None,
            "files": [],
        }
        if self.config:
            body["config"] = self.config
        body |= {"manifest": self.manifest, "version": self.version, "namespace": self.namespace}
        if self.hooks:
            body["hooks"] = self.hooks
        return body


def encode(release: Release) -> str:
    """The text under ``release`` in the Secret (which encodes it once more)."""
    data = json.dumps(release.as_json(), separators=(",", ":")).encode()
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def decode(text: str) -> Release:
    """The release in a Secret, written by this helm or the real one."""
    data = base64.b64decode(text)
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    body = json.loads(data)
    info, chart = body.get("info") or {}, body.get("chart") or {}
    return Release(
        name=body["name"],
        namespace=body.get("namespace", ""),
        version=int(body.get("version") or 0),
        status=info.get("status", "unknown"),
        description=info.get("description", ""),
        manifest=body.get("manifest", ""),
        notes=info.get("notes", ""),
        config=body.get("config") or {},
        chart=chart.get("metadata") or {},
        values=chart.get("values") or {},
        first_deployed=info.get("first_deployed") or ZERO,
        last_deployed=info.get("last_deployed") or ZERO,
        deleted=info.get("deleted") or "",
        hooks=body.get("hooks") or [],
    )


def secret_name(name: str, version: int) -> str:
    """Where a revision is stored."""
    return f"sh.helm.release.v1.{name}.v{version}"


def secret_body(release: Release, previous: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The Secret of a revision; ``previous`` are the labels it had."""
    stamp = str(int(datetime.now(UTC).timestamp()))
    labels = {
        **(previous or {}),
        "name": release.name,
        "owner": "helm",
        "status": release.status,
        "version": str(release.version),
        ("modifiedAt" if previous is not None else "createdAt"): stamp,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(release.name, release.version),
            "namespace": release.namespace,
            "labels": labels,
        },
        "type": TYPE,
        "data": {"release": base64.b64encode(encode(release).encode()).decode()},
    }
