"""``cilium-labs policy diff --versions``: the same policies under two versions of Cilium."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lab_helpers.cli.policy_reading import read_objects

if TYPE_CHECKING:
    from lab_helpers.policy.configs import PolicyConfig, Version
    from lab_helpers.policy.inventories import Object
    from lab_helpers.policy.protocols import Protocol
    from lab_helpers.policy.version_differences import VersionDifference, VersionEffect

__all__ = ["compare_versions"]


def compare_versions(
    versions: tuple[str, str],
    paths: Sequence[str],
    *,
    cluster: bool,
    namespaces: Sequence[str],
    ports: Sequence[tuple[Protocol, int]],
    output: str,
) -> int:
    """Compare, print, and return the exit code: 0 the same, 3 different, 1 a policy that neither version takes."""
    from lab_helpers.policy.inventories import build_inventory
    from lab_helpers.policy.version_differences import between_versions, stand_ins

    first, second = (_version(text) for text in versions)
    objects, config = _objects(paths, cluster=cluster)
    if not build_inventory(objects).members:
        made = stand_ins(objects)
        if made:
            names = ", ".join(f"{item.obj['metadata']['namespace']}/{item.obj['metadata']['name']}" for item in made)
            click.echo(f"note: no pods in these files; verdicts are for pods as the selectors say: {names}", err=True)
        objects = [*objects, *made]
    found = between_versions(objects, (first, second), config=config, namespaces=namespaces, ports=ports)
    if output == "json":
        click.echo(json.dumps(_document(found), indent=2, ensure_ascii=False))
    else:
        _print(found)
    if found.objects or found.changes:
        return 3
    return 1 if found.broken else 0


def _version(text: str) -> Version:
    from lab_helpers.policy.configs import Version

    minor = ".".join(text.removeprefix("v").split(".")[:2])
    if minor not in set(Version):
        known = " and ".join(version.value for version in Version)
        raise click.BadParameter(f"{text!r} is no version known here: {known}", param_hint="--versions")
    return Version(minor)


def _objects(paths: Sequence[str], *, cluster: bool) -> tuple[list[Object], PolicyConfig | None]:
    """What is compared: files alone, or the cluster with files on top (which replace objects of the same name)."""
    extra = read_objects(paths)
    if paths and not cluster:
        return extra, None
    from lab_helpers.clusters import connect
    from lab_helpers.clusters.policy_inputs import cluster_config, cluster_objects

    used = connect()
    replaced = {_key(item) for item in extra}
    present = [item for item in cluster_objects(used) if _key(item) not in replaced]
    return [*present, *extra], cluster_config(used)


def _key(item: Object) -> tuple[str, str, str]:
    metadata = item.obj.get("metadata") or {}
    return str(item.obj.get("kind")), str(metadata.get("namespace") or ""), str(metadata.get("name"))


def _print(found: VersionDifference) -> None:
    from lab_helpers.policy.matrix_texts import changes_text

    for item in found.broken:
        click.echo(f"refused by both, not in force: {item}", err=True)
    for item in found.objects:
        click.echo(str(item))
    if found.objects and found.changes:
        click.echo()
    if found.changes:
        click.echo(changes_text(found.changes))
    elif found.objects:
        click.echo("no verdict changes for these pods and ports")
    else:
        click.echo(f"nothing changes between {found.versions[0]} and {found.versions[1]}")


def _document(found: VersionDifference) -> dict[str, Any]:
    return {
        "versions": [str(version) for version in found.versions],
        "objects": [_row(item) for item in found.objects],
        "changes": [
            {"source": c.source, "target": str(c.target), "before": str(c.before), "after": str(c.after)}
            for c in found.changes
        ],
        "refusedByBoth": [_row(item) for item in found.broken],
    }


def _row(item: VersionEffect) -> dict[str, Any]:
    return {
        "version": str(item.version),
        "effect": str(item.effect),
        "object": item.owner,
        "path": item.path,
        "message": item.message,
        "position": str(item.position) if item.position else None,
    }
