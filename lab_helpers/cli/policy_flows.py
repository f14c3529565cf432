"""``cilium-labs policy learn`` and ``dry-run``: policies and recorded flows."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING

import click

from lab_helpers.cli.policy_reading import OUTPUT, read_inventory, read_objects, read_texts, tell_refused, with_extra

if TYPE_CHECKING:
    from lab_helpers.policy.inventories import Inventory
    from lab_helpers.policy.recorded_flows import FlowRecord

__all__ = ["dry_run", "learn"]


def _since(text: str) -> int:
    found = re.fullmatch(r"(\d+)(s|m|h|d)", text)
    if not found:
        raise click.BadParameter(f"{text!r} is no span of time: 30s, 10m, 2h, 1d")
    seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
    return time.time_ns() - seconds * 1_000_000_000


def _flows(name: str | None, since: str, inventory: Inventory | None) -> list[FlowRecord]:
    from lab_helpers.clusters.policy_inputs import flows_of_text, read_flows

    if name is not None:
        ((text, _),) = read_texts([name])
        return flows_of_text(text, inventory)
    from lab_helpers.clusters import connect

    return read_flows(connect(), since=_since(since), inventory=inventory)


_FLOWS = click.option("--flows", help="Flows from a file (hubble observe -o jsonpb; - for stdin) instead of Hubble.")
_SINCE = click.option("--since", default="10m", show_default=True, help="How far back to ask Hubble.")


@click.command()
@click.option(
    "-n", "--namespace", "namespaces", multiple=True, required=True, help="Whose pods get policies (repeatable)."
)
@_FLOWS
@_SINCE
def learn(namespaces: tuple[str, ...], flows: str | None, since: str) -> None:
    """Policies from observed flows, ready for review: they allow what was seen, and nothing else.

    The result was checked against the flows it was learned from; what it would cut is told on stderr (exit code 1).

    \b
    Examples:
      cilium-labs policy learn -n shop --since 1h > shop.yaml
      hubble observe -n shop -o jsonpb | cilium-labs policy learn -n shop --flows -
    """
    import yaml

    from lab_helpers.policy.learning import learn as learned_from

    learned = learned_from(_flows(flows, since, None), namespaces)
    if not learned.policies:
        raise click.ClickException(f"no flow that got through to or from pods of {', '.join(namespaces)}")
    click.echo(yaml.safe_dump_all([dict(item) for item in learned.policies], sort_keys=False), nl=False)
    click.echo(f"{len(learned.policies)} policies from {learned.used} connections", err=True)
    for cut in learned.cut:
        click.echo(f"would still be cut: {cut}", err=True)
    sys.exit(1 if learned.cut else 0)


@click.command("dry-run")
@click.option("-f", "--file", "paths", multiple=True, required=True, help="Policies to try (file, folder or -).")
@click.option("-b", "--base", multiple=True, help="Manifests that hold already, instead of the cluster.")
@click.option("--alone", is_flag=True, help="Try the policies alone, without those of the cluster.")
@_FLOWS
@_SINCE
@click.option("-o", "--output", type=OUTPUT, default="text", show_default=True)
def dry_run(
    paths: tuple[str, ...], base: tuple[str, ...], alone: bool, flows: str | None, since: str, output: str
) -> None:
    """Which recorded flows would have been cut. Exit code 0: none, 3: some, 1: a policy is refused.

    \b
    Examples:
      cilium-labs policy dry-run -f new.yaml --since 1h
      cilium-labs policy dry-run -f new.yaml --alone --flows flows.jsonl
    """
    from lab_helpers.policy.inventories import build_inventory
    from lab_helpers.policy.recorded_flows import would_be_cut

    extra = read_objects(paths)
    now = build_inventory(()) if alone else read_inventory(base)
    then = with_extra(now, extra)
    records = _flows(flows, since, now)
    cuts = would_be_cut(then.repository, records)
    if output == "json":
        rows = [{"flow": str(c.flow), "direction": str(c.direction), "request": c.request, "why": str(c)} for c in cuts]
        click.echo(json.dumps({"flows": len(records), "cut": rows}, indent=2, ensure_ascii=False))
    else:
        tell_refused(then)
        for cut in cuts:
            click.echo(str(cut))
        through = len(dict.fromkeys(record for record in records if not record.reply and not record.dropped))
        click.echo(f"{len(dict.fromkeys(cut.flow for cut in cuts))} of {through} connections would have been cut")
    sys.exit(1 if then.refused else 3 if cuts else 0)
