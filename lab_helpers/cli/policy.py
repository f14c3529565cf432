"""``cilium-labs policy``: ask the policy engine, on manifests or on the cluster."""

from __future__ import annotations

import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lab_helpers.policy.identities import Endpoint
    from lab_helpers.policy.inventories import Inventory, Object
    from lab_helpers.policy.reachability import Matrix, Target
    from lab_helpers.policy.recorded_flows import FlowRecord

__all__ = ["policy"]

_SUFFIXES = (".yaml", ".yml", ".json")


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


# --- reading
# ---------------------------------------------------------------------------------------------------------------


def _texts(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
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


def _objects(paths: Sequence[str]) -> list[Object]:
    from lab_helpers.policy.errors import ManifestError
    from lab_helpers.policy.inventories import Object
    from lab_helpers.policy.manifests import read_manifests

    found: list[Object] = []
    for text, file in _texts(paths):
        try:
            found.extend(Object(manifest.obj, manifest.locate) for manifest in read_manifests(text, file))
        except ManifestError as error:
            raise click.ClickException(str(error)) from None
    return found


def _inventory(paths: Sequence[str], extra: Sequence[Object] = ()) -> Inventory:
    """From manifests, or from the cluster; ``extra`` objects come on top."""
    if paths:
        from lab_helpers.policy.inventories import build_inventory

        return build_inventory([*_objects(paths), *extra])
    from lab_helpers.clusters import connect
    from lab_helpers.clusters.policy_inputs import read_cluster

    return read_cluster(connect(), extra)


def _tell_refused(inventory: Inventory) -> None:
    for error in inventory.refused:
        click.echo(f"refused, not in force: {error}", err=True)


_FILES = click.option(
    "-f", "--file", "paths", multiple=True, help="Manifests (file, folder or -) instead of the cluster."
)
_OUTPUT = click.Choice(["text", "json"])


# --- verdicts
# --------------------------------------------------------------------------------------------------------------


def _open_input(name: str) -> IO[str]:
    if name == "-":
        return sys.stdin
    try:
        if name.endswith(".gz"):
            return gzip.open(name, "rt", encoding="utf-8")
        return Path(name).open(encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{name}: {error.strerror or error}") from None


def _judged(line: str, number: int) -> tuple[dict[str, Any], str]:
    """The result of a line, and what was wrong with it ("" when nothing was)."""
    from lab_helpers.policy.cases import CaseError, judge

    name = ""
    try:
        case = json.loads(line)
        if isinstance(case, dict):
            name = str(case.get("name", ""))
        return judge(case), ""
    except json.JSONDecodeError as error:
        wrong = f"line {number}, column {error.colno}: not JSON: {error.msg}"
    except (CaseError, ValueError, TypeError, AttributeError) as error:
        wrong = f"line {number}: {name + ': ' if name else ''}{error}"
    return {"name": name, "error": wrong, "policies": [], "flows": []}, wrong


@policy.command()
@click.option(
    "--input", "input_", default="-", show_default=True, help="JSON lines, one case each (- for stdin, or a .gz)."
)
@click.option("--output", default="-", show_default=True, help="Where the results go, one line each.")
def verdicts(input_: str, output: str) -> None:
    """Judge many cases: each line a cluster and flows, each result its verdicts, in order.

    A bad line gives a result with "error" and a message on stderr; the run goes on, and ends with exit code 1.

    \b
    Example:
      cilium-labs policy verdicts --input cases.jsonl --output verdicts.jsonl
    """
    bad = 0
    with _open_input(input_) as source:
        target: Any = nullcontext(sys.stdout)
        if output != "-":
            try:
                target = Path(output).open("w", encoding="utf-8")  # noqa: SIM115 - the with below closes it
            except OSError as error:
                raise click.ClickException(f"{output}: {error.strerror or error}") from None
        with target as sink, _progress() as advance:
            for number, line in enumerate(source, start=1):
                if not line.strip():
                    continue
                result, wrong = _judged(line, number)
                if wrong:
                    bad += 1
                    click.echo(f"error: {wrong}", err=True)
                sink.write(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")
                advance()
            sink.flush()
    if bad:
        sys.exit(1)


class _progress:  # noqa: N801 - used as a with-statement's word
    """Counts on a terminal, says nothing elsewhere."""

    def __enter__(self) -> Callable[[], None]:
        if not sys.stderr.isatty():
            return lambda: None
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.completed} cases"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        task = self._bar.add_task("cases", total=None)
        return lambda: self._bar.advance(task)

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_bar"):
            self._bar.stop()


# --- why
# -------------------------------------------------------------------------------------------------------------------


def _http(text: str | None, host: str) -> Any:
    if text is None:
        return None
    from lab_helpers.policy.requests import HTTPRequest

    method, _, path = text.strip().partition(" ")
    if not path:
        method, path = ("GET", method) if method.startswith("/") else (method, "/")
    return HTTPRequest(method.upper(), path.strip(), host)


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
@click.option("-o", "--output", type=_OUTPUT, default="text", show_default=True)
@_FILES
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

    inventory = _inventory(paths)
    _tell_refused(inventory)
    try:
        asked, place = find_party(inventory, source), find_destination(inventory, target)
        question = Question(
            asked.endpoint, place.whom.endpoint, place.protocol, place.port, _http(request, host), dns, sni
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


# --- matrix and diff
# -------------------------------------------------------------------------------------------------------


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


def _matrix(inventory: Inventory, namespaces: Sequence[str], ports: Sequence[str], repository: Any = None) -> Matrix:
    from lab_helpers.policy.protocols import Protocol, protocol_named
    from lab_helpers.policy.reachability import Target, reachability

    asked: list[tuple[Protocol, int]] = []
    for text in ports:
        number, _, written = text.partition("/")
        protocol = protocol_named(written or "TCP", flows=True)
        if not number.isdigit() or not protocol:
            raise click.BadParameter(f"{text!r} is no port: 8080 or 53/UDP")
        asked.append((protocol, int(number)))
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


@policy.command()
@_NAMESPACE
@_PORTS
@click.option("-o", "--output", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@_FILES
def matrix(namespaces: tuple[str, ...], ports: tuple[str, ...], output: str, paths: tuple[str, ...]) -> None:
    """Who reaches whom, on which port.

    \b
    Examples:
      cilium-labs policy matrix -n shop
      cilium-labs policy matrix -f manifests/ -o html > matrix.html
    """
    from lab_helpers.policy.matrix_texts import matrix_html, matrix_json, matrix_text

    inventory = _inventory(paths)
    _tell_refused(inventory)
    found = _matrix(inventory, namespaces, ports)
    if output == "json":
        click.echo(json.dumps(matrix_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo(matrix_html(found) if output == "html" else matrix_text(found), nl=output == "text")


_BASE = click.option("-b", "--base", multiple=True, help="Manifests to compare with instead of the cluster.")


@policy.command()
@click.option(
    "-f", "--file", "paths", multiple=True, required=True, help="New or changed policies (file, folder or -)."
)
@_BASE
@_NAMESPACE
@_PORTS
@click.option("-o", "--output", type=_OUTPUT, default="text", show_default=True)
def diff(
    paths: tuple[str, ...], base: tuple[str, ...], namespaces: tuple[str, ...], ports: tuple[str, ...], output: str
) -> None:
    """What would change, in verdicts, if these policies were applied. Exit code 0: nothing, 3: something, 1: a
    policy is refused.

    \b
    Examples:
      cilium-labs policy diff -f new.yaml
      cilium-labs policy diff -b deployed/ -f proposed/
    """
    from lab_helpers.policy.matrix_texts import changes_text
    from lab_helpers.policy.reachability import difference

    extra = _objects(paths)
    now = _inventory(base)
    then = _with_extra(now, extra)
    changes = difference(_matrix(now, namespaces, ports), _matrix(now, namespaces, ports, then.repository))
    if output == "json":
        rows = [
            {"source": c.source, "target": str(c.target), "before": str(c.before), "after": str(c.after)}
            for c in changes
        ]
        refused = [{"where": str(error), "category": error.category} for error in then.refused]
        click.echo(json.dumps({"changes": rows, "refused": refused}, indent=2, ensure_ascii=False))
    else:
        _tell_refused(then)
        click.echo(changes_text(changes) if changes else "nothing would change")
    sys.exit(1 if then.refused else 3 if changes else 0)


def _with_extra(now: Inventory, extra: Iterable[Object]) -> Inventory:
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


# --- lint
# ------------------------------------------------------------------------------------------------------------------


@policy.command()
@click.option("-o", "--output", type=_OUTPUT, default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings also give exit code 1.")
@_FILES
def lint(output: str, strict: bool, paths: tuple[str, ...]) -> None:
    """What is probably not meant in the policies, with its place and the lab that teaches it. Exit code 1 on errors.

    \b
    Examples:
      cilium-labs policy lint -f manifests/
      cilium-labs policy lint --strict
    """
    from lab_helpers.policy.linting import Severity
    from lab_helpers.policy.linting import lint as findings_of

    findings = findings_of(_inventory(paths))
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


# --- learn and dry-run
# -----------------------------------------------------------------------------------------------------


def _since(text: str) -> int:
    found = re.fullmatch(r"(\d+)(s|m|h|d)", text)
    if not found:
        raise click.BadParameter(f"{text!r} is no span of time: 30s, 10m, 2h, 1d")
    seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
    return time.time_ns() - seconds * 1_000_000_000


def _flows(name: str | None, since: str, inventory: Inventory | None) -> list[FlowRecord]:
    from lab_helpers.clusters.policy_inputs import flows_of_text, read_flows

    if name is not None:
        ((text, _),) = _texts([name])
        return flows_of_text(text, inventory)
    from lab_helpers.clusters import connect

    return read_flows(connect(), since=_since(since), inventory=inventory)


_FLOWS = click.option("--flows", help="Flows from a file (hubble observe -o jsonpb; - for stdin) instead of Hubble.")
_SINCE = click.option("--since", default="10m", show_default=True, help="How far back to ask Hubble.")


@policy.command()
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


@policy.command("dry-run")
@click.option("-f", "--file", "paths", multiple=True, required=True, help="Policies to try (file, folder or -).")
@click.option("-b", "--base", multiple=True, help="Manifests that hold already, instead of the cluster.")
@click.option("--alone", is_flag=True, help="Try the policies alone, without those of the cluster.")
@_FLOWS
@_SINCE
@click.option("-o", "--output", type=_OUTPUT, default="text", show_default=True)
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

    extra = _objects(paths)
    now = build_inventory(()) if alone else _inventory(base)
    then = _with_extra(now, extra)
    records = _flows(flows, since, now)
    cuts = would_be_cut(then.repository, records)
    if output == "json":
        rows = [{"flow": str(c.flow), "direction": str(c.direction), "request": c.request, "why": str(c)} for c in cuts]
        click.echo(json.dumps({"flows": len(records), "cut": rows}, indent=2, ensure_ascii=False))
    else:
        _tell_refused(then)
        for cut in cuts:
            click.echo(str(cut))
        through = len(dict.fromkeys(record for record in records if not record.reply and not record.dropped))
        click.echo(f"{len(dict.fromkeys(cut.flow for cut in cuts))} of {through} connections would have been cut")
    sys.exit(1 if then.refused else 3 if cuts else 0)
