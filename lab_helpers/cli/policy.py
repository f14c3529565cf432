"""``cilium-labs policy``: ask the policy engine, on manifests or on the cluster."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lab_helpers.cli.policy_flows import dry_run, learn
from lab_helpers.cli.policy_reading import FILES, OUTPUT, read_inventory, tell_refused
from lab_helpers.cli.policy_sets import diff, lint, matrix
from lab_helpers.cli.policy_verdicts import verdicts

if TYPE_CHECKING:
    from lab_helpers.policy.identities import Endpoint
    from lab_helpers.policy.parties import Whom

__all__ = ["policy"]


@click.group()
def policy() -> None:
    """Ask the policy engine: why, who reaches whom, what would change.

    With -f it reads manifests (files or folders; pods are made from Deployments and their like where there are none);
    without, the cluster in use.

    \b
    Examples:
      cilium-labs policy why --from shop/frontend --to shop/backend:8080
      cilium-labs policy matrix -n shop
      cilium-labs policy lint -f manifests/
    """


for _command in (verdicts, matrix, diff, lint, learn, dry_run):
    policy.add_command(_command)


def _http(text: str | None, host: str) -> Any:
    if text is None:
        return None
    from lab_helpers.policy.requests import HTTPRequest

    method, _, path = text.strip().partition(" ")
    if not path:
        method, path = ("GET", method) if method.startswith("/") else (method, "/")
    return HTTPRequest(method.upper(), path.strip(), host)


def _named(whom: Whom) -> Endpoint:
    """The endpoint, called as it was asked for: a workload's pods are alike, so its name says more than a pod's."""
    member = whom.member
    if member is None or whom.text.endswith(member.name) or whom.text == member.ip:
        return whom.endpoint
    return replace(whom.endpoint, name=f"{member.namespace}/{member.workload}")


@policy.command()
@click.option(
    "--from", "source", required=True, help="Who connects: shop/frontend, world, 203.0.113.7, api.example.com …"
)
@click.option(
    "--to", "target", required=True, help="Where to: shop/backend:8080, …:53/UDP, …:http, …:icmp, svc/shop/backend:80"
)
@click.option("--http", "request", help='A request over it, such as "GET /api/v1/products".')
@click.option("--host", default="", help="The Host of that request.")
@click.option("--dns", default="", help="A DNS question over it.")
@click.option("--sni", default="", help="The server name of a TLS connection.")
@click.option("--flip", is_flag=True, help="Also the smallest changes that would turn the verdict, each tried out.")
@click.option("-o", "--output", type=OUTPUT, default="text", show_default=True)
@FILES
def why(
    source: str,
    target: str,
    request: str | None,
    host: str,
    dns: str,
    sni: str,
    flip: bool,
    output: str,
    paths: tuple[str, ...],
) -> None:
    """Why a connection is allowed or denied: the engine's walk in words. Exit code 0 when allowed, 3 when denied.

    \b
    Examples:
      cilium-labs policy why --from shop/frontend --to shop/backend:8080
      cilium-labs policy why --from shop/frontend --to shop/backend:8080 --http "GET /admin" --flip
    """
    from lab_helpers.policy.counterfactuals import flips
    from lab_helpers.policy.errors import PolicyEngineError
    from lab_helpers.policy.explaining import Question, explain
    from lab_helpers.policy.explanations import explanation_json, explanation_lines
    from lab_helpers.policy.parties import find_destination, find_party

    inventory = read_inventory(paths)
    tell_refused(inventory)
    try:
        asked, place = find_party(inventory, source), find_destination(inventory, target)
        question = Question(
            _named(asked), _named(place.whom), place.protocol, place.port, _http(request, host), dns, sni
        )
        explanation = explain(inventory.repository, question)
        changes = flips(inventory.repository, question) if flip else ()
    except PolicyEngineError as error:
        raise click.ClickException(str(error)) from None
    if output == "json":
        answer = explanation_json(explanation)
        if flip:
            answer["flips"] = [
                {"change": c.change.name.lower(), "text": c.text, "manifest": c.manifest} for c in changes
            ]
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        for line in explanation_lines(explanation):
            click.echo(line)
        if place.translated:
            click.echo(f"\n{place.translated}")
        if flip:
            _show_flips(changes)
    sys.exit(0 if explanation.allowed else 3)


def _show_flips(changes: Sequence[Any]) -> None:
    import yaml

    click.echo("\nWhat would turn it (each was tried out):" if changes else "\nNo small change would turn it.")
    for number, change in enumerate(changes, start=1):
        click.echo(f"  {number}. {change.text}")
        if change.manifest is not None:
            text = yaml.safe_dump(dict(change.manifest), sort_keys=False)
            click.echo("".join(f"       {line}\n" for line in text.splitlines()), nl=False)
