"""``cilium-labs policy matrix``, ``diff`` and ``lint``: a set of policies as a whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lab_helpers.cli.policy_reading import BASE, FILES, OUTPUT, read_inventory, read_objects, tell_refused, with_extra

if TYPE_CHECKING:
    from lab_helpers.policy.identities import Endpoint
    from lab_helpers.policy.inventories import Inventory
    from lab_helpers.policy.protocols import Protocol
    from lab_helpers.policy.reachability import Matrix, Target

__all__ = ["diff", "lint", "matrix"]


def _everyone(inventory: Inventory, namespaces: Sequence[str]) -> list[tuple[str, Endpoint, Any]]:
    """One endpoint per workload and identity, by name; with the world at the end."""
    from dataclasses import replace

    from lab_helpers.policy.identities import reserved_identity
    from lab_helpers.policy.inventories import Member

    seen: dict[tuple[str, int], tuple[str, Endpoint, Member | None]] = {}
    for member in inventory.members:
        if namespaces and member.namespace not in namespaces:
            continue
        name = f"{member.namespace}/{member.workload}"
        key = (name, member.endpoint.identity.numeric)
        seen.setdefault(key, (name, replace(member.endpoint, name=name), member))
    from lab_helpers.policy.identities import Endpoint

    world = Endpoint("world", reserved_identity("world"))
    return [*seen.values(), ("world", world, None)]


def _asked_ports(ports: Sequence[str]) -> list[tuple[Protocol, int]]:
    from lab_helpers.policy.protocols import protocol_named

    asked: list[tuple[Protocol, int]] = []
    for text in ports:
        number, _, written = text.partition("/")
        protocol = protocol_named(written or "TCP", flows=True)
        if not number.isdigit() or not protocol:
            raise click.BadParameter(f"{text!r} is no port: 8080 or 53/UDP")
        asked.append((protocol, int(number)))
    return asked


def _matrix(inventory: Inventory, namespaces: Sequence[str], ports: Sequence[str], repository: Any = None) -> Matrix:
    from lab_helpers.policy.protocols import Protocol
    from lab_helpers.policy.reachability import Target, reachability

    asked = _asked_ports(ports)
    everyone = _everyone(inventory, namespaces)
    targets: list[tuple[Endpoint, Target]] = []
    for name, endpoint, member in everyone:
        own = [(Protocol[p.protocol.upper()], p.port) for p in member.ports] if member else [(Protocol.TCP, 443)]
        for protocol, port in dict.fromkeys(asked or own or [(Protocol.TCP, 80)]):
            targets.append((endpoint, Target(name, protocol, port)))
    return reachability(repository or inventory.repository, [endpoint for _, endpoint, _ in everyone], targets)


_NAMESPACE = click.option(
    "-n", "--namespace", "namespaces", multiple=True, help="Only pods of this namespace (repeatable)."
)
_PORTS = click.option(
    "-p", "--port", "ports", multiple=True, help="Ask about this port (8080, 53/UDP) instead of each pod's own."
)


@click.command()
@_NAMESPACE
@_PORTS
@click.option("-o", "--output", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@FILES
def matrix(namespaces: tuple[str, ...], ports: tuple[str, ...], output: str, paths: tuple[str, ...]) -> None:
    """Who reaches whom, on which port.

    \b
    Examples:
      cilium-labs policy matrix -n shop
      cilium-labs policy matrix -f manifests/ -o html > matrix.html
    """
    from lab_helpers.policy.matrix_texts import matrix_html, matrix_json, matrix_text

    inventory = read_inventory(paths)
    tell_refused(inventory)
    found = _matrix(inventory, namespaces, ports)
    if output == "json":
        click.echo(json.dumps(matrix_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo(matrix_html(found) if output == "html" else matrix_text(found), nl=output == "text")


@click.command()
@click.option("-f", "--file", "paths", multiple=True, help="New or changed policies (file, folder or -).")
@BASE
@click.option(
    "--versions",
    nargs=2,
    metavar="OLD NEW",
    help="Compare two versions of Cilium (1.19 1.20) on the policies and pods of -f, or of the cluster.",
)
@click.option("--cluster", is_flag=True, help="With --versions: the cluster's policies and pods, those of -f on top.")
@_NAMESPACE
@_PORTS
@click.option("-o", "--output", type=OUTPUT, default="text", show_default=True)
def diff(
    paths: tuple[str, ...],
    base: tuple[str, ...],
    versions: tuple[str, str] | None,
    cluster: bool,
    namespaces: tuple[str, ...],
    ports: tuple[str, ...],
    output: str,
) -> None:
    """What would change, in verdicts, if these policies were applied, or with --versions: if Cilium were upgraded.
    Exit code 0: nothing, 3: something, 1: a policy is refused (with --versions: by both versions, and nothing else
    changes).

    --versions also lists what one of the versions refuses as a whole, or prunes because it does not know a field.

    \b
    Examples:
      cilium-labs policy diff -f new.yaml
      cilium-labs policy diff -b deployed/ -f proposed/
      cilium-labs policy diff --versions 1.19 1.20 -f manifests/
      cilium-labs policy diff --versions 1.19 1.20 --cluster
    """
    if versions is not None:
        from lab_helpers.cli.policy_versions import compare_versions

        if base:
            raise click.UsageError("-b does not go with --versions: both sides are the same policies")
        asked = _asked_ports(ports)
        sys.exit(compare_versions(versions, paths, cluster=cluster, namespaces=namespaces, ports=asked, output=output))
    if cluster:
        raise click.UsageError("--cluster goes with --versions; without it the cluster is compared with anyway")
    if not paths:
        raise click.UsageError("Missing option '-f' / '--file'.")
    from lab_helpers.policy.matrix_texts import changes_text
    from lab_helpers.policy.reachability import difference

    extra = read_objects(paths)
    now = read_inventory(base)
    then = with_extra(now, extra)
    changes = difference(_matrix(now, namespaces, ports), _matrix(now, namespaces, ports, then.repository))
    if output == "json":
        rows = [
            {"source": c.source, "target": str(c.target), "before": str(c.before), "after": str(c.after)}
            for c in changes
        ]
        refused = [{"where": str(error), "category": error.category} for error in then.refused]
        click.echo(json.dumps({"changes": rows, "refused": refused}, indent=2, ensure_ascii=False))
    else:
        tell_refused(then)
        click.echo(changes_text(changes) if changes else "nothing would change")
    sys.exit(1 if then.refused else 3 if changes else 0)


@click.command()
@click.option("-o", "--output", type=OUTPUT, default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings also give exit code 1.")
@FILES
def lint(output: str, strict: bool, paths: tuple[str, ...]) -> None:
    """What is probably not meant in the policies, with its place and the lab that teaches it. Exit code 1 on errors.

    \b
    Examples:
      cilium-labs policy lint -f manifests/
      cilium-labs policy lint --strict
    """
    from lab_helpers.policy.linting import Severity
    from lab_helpers.policy.linting import lint as findings_of

    findings = findings_of(read_inventory(paths))
    if output == "json":
        rows = [
            {
                "severity": str(f.severity),
                "code": f.code,
                "where": f.where,
                "position": str(f.position) if f.position else None,
                "message": f.message,
                "lab": f.lab,
            }
            for f in findings
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo(f"{len(findings)} findings" if findings else "nothing to say", err=True)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    sys.exit(1 if any(finding.severity in failing for finding in findings) else 0)
