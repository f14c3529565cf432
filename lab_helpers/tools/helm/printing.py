"""Releases as helm shows them: the page after an installation, lists, histories."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.manifests import yaml_text
from lab_helpers.tools.helm.records import Release, go_time
from lab_helpers.tools.helm.tables import table

__all__ = ["ansi_time", "history_text", "list_text", "status_text", "structured"]


def ansi_time(text: str) -> str:
    """Go's time.ANSIC: ``Sun Nov  2 09:05:00 2026``."""
    moment = _local(text)
    return f"{moment:%a %b} {moment.day:2d} {moment:%H:%M:%S %Y}"


def _local(text: str) -> datetime:
    return go_time(text).astimezone()


def _go_string(text: str) -> str:
    """Go's time.String: ``2026-11-22 00:17:20.5 +0000 UTC``."""
    moment = _local(text)
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {moment:%z %Z}"


def structured(value: Any, output: str) -> str:
    """``-o json`` or ``-o yaml``."""
    if output == "json":
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"
    if output == "yaml":
        return yaml_text(value)
    raise HelmError(f'invalid argument "{output}" for "-o, --output" flag: invalid format type')


def status_text(release: Release, *, description: bool = False, notes: bool = True) -> str:
    """The page of ``install``, ``upgrade`` and ``status``."""
    lines = [
        f"NAME: {release.name}",
        f"LAST DEPLOYED: {ansi_time(release.last_deployed)}",
        f"NAMESPACE: {release.namespace}",
        f"STATUS: {release.status}",
        f"REVISION: {release.version}",
    ]
    if description:
        lines.append(f"DESCRIPTION: {release.description}")
    lines.append("TEST SUITE: None")
    text = "".join(f"{line}\n" for line in lines)
    if release.description == "Dry run complete":
        text += f"HOOKS:\nMANIFEST:\n{release.manifest}\n"
    if notes and release.notes:
        text += f"NOTES:\n{release.notes.strip()}\n"
    return text


def list_text(releases: Sequence[Release], output: str) -> str:
    """``helm list``."""
    if output == "table":
        rows = [("NAME", "NAMESPACE", "REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION")]
        rows += [
            (
                item.name,
                item.namespace,
                str(item.version),
                _go_string(item.last_deployed),
                item.status,
                item.chart_title,
                item.app_version,
            )
            for item in releases
        ]
        return table(rows)
    return structured([_entry(item) for item in releases], output)


def _entry(item: Release) -> dict[str, str]:
    return {
        "name": item.name,
        "namespace": item.namespace,
        "revision": str(item.version),
        "updated": _go_string(item.last_deployed),
        "status": item.status,
        "chart": item.chart_title,
        "app_version": item.app_version,
    }


def history_text(releases: Sequence[Release], output: str) -> str:
    """``helm history``."""
    if output == "table":
        rows = [("REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION")]
        rows += [
            (
                str(item.version),
                ansi_time(item.last_deployed),
                item.status,
                item.chart_title,
                item.app_version,
                item.description,
            )
            for item in releases
        ]
        return table(rows)
    entries = [
        {
            "revision": item.version,
            "updated": item.last_deployed,
            "status": item.status,
            "chart": item.chart_title,
            "app_version": item.app_version,
            "description": item.description,
        }
        for item in releases
    ]
    return structured(entries, output)
