"""What ``cilium-labs policy`` is asked about: manifests, or the cluster in use."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lab_helpers.policy.inventories import Inventory, Object

__all__ = ["BASE", "FILES", "OUTPUT", "read_inventory", "read_objects", "read_texts", "tell_refused", "with_extra"]

_SUFFIXES = (".yaml", ".yml", ".json")
FILES = click.option(
    "-f", "--file", "paths", multiple=True, help="Manifests (file, folder or -) instead of the cluster."
)
OUTPUT = click.Choice(["text", "json"])
BASE = click.option("-b", "--base", multiple=True, help="Manifests to compare with instead of the cluster.")


def read_texts(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(text, name) of every file named, of every manifest in a folder named, and of stdin for ``-``."""
    for name in paths:
        if name == "-":
            yield sys.stdin.read(), "-"
            continue
        path = Path(name)
        if not path.exists():
            raise click.ClickException(f"{name}: no such file or folder")
        files = sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES) if path.is_dir() else [path]
        if not files:
            raise click.ClickException(f"{name}: no {' or '.join(_SUFFIXES)} file in this folder")
        for file in files:
            try:
                yield file.read_text(encoding="utf-8"), str(file)
            except (OSError, UnicodeDecodeError) as error:
                raise click.ClickException(f"{file}: cannot be read: {error}") from None


def read_objects(paths: Sequence[str]) -> list[Object]:
    """The Kubernetes objects of manifests. A text that cannot be read ends the command, with its place."""
    from lab_helpers.policy.errors import ManifestError
    from lab_helpers.policy.inventories import Object
    from lab_helpers.policy.manifests import read_manifests

    found: list[Object] = []
    for text, file in read_texts(paths):
        try:
            found.extend(Object(manifest.obj, manifest.locate) for manifest in read_manifests(text, file))
        except ManifestError as error:
            raise click.ClickException(str(error)) from None
    return found


def read_inventory(paths: Sequence[str], extra: Sequence[Object] = ()) -> Inventory:
    """From manifests, or from the cluster; ``extra`` objects come on top."""
    if paths:
        from lab_helpers.policy.inventories import build_inventory

        return build_inventory([*read_objects(paths), *extra])
    from lab_helpers.clusters import connect
    from lab_helpers.clusters.policy_inputs import cilium_version, read_cluster

    cluster = connect()
    if not cilium_version(cluster):
        click.echo("note: Cilium is not installed on this cluster, so nothing enforces these verdicts yet", err=True)
    return read_cluster(cluster, extra)


def tell_refused(inventory: Inventory) -> None:
    """Say on stderr which policies are not in force."""
    for error in inventory.refused:
        click.echo(f"refused, not in force: {error}", err=True)


def with_extra(now: Inventory, extra: Iterable[Object]) -> Inventory:
    """The same pods, with more policies; ``refused`` are those among the new ones."""
    from dataclasses import replace

    from lab_helpers.policy.errors import PolicyError
    from lab_helpers.policy.inventories import with_namespace
    from lab_helpers.policy.parsing import KINDS, parse

    repository, refused = now.repository.copy(), []
    for item in extra:
        if item.obj.get("kind") in KINDS:
            try:
                repository.upsert(parse(with_namespace(item.obj), repository.config, locate=item.locate))
            except PolicyError as error:
                refused.append(error)
    return replace(now, repository=repository, refused=tuple(refused))
