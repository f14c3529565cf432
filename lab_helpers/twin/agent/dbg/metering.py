"""``cilium-dbg metrics list``: the agent's metrics as a table (pkg/metrics/cmd.go)."""

from __future__ import annotations

from lab_helpers.policy.errors import RegexError
from lab_helpers.policy.regexes import compile_pattern
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session, table
from lab_helpers.twin.agent.metrics.agentmetrics import agent_metrics
from lab_helpers.twin.agent.metrics.series import Series

__all__ = ["COMMANDS"]


async def _list(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    text = arguments.value("pattern") or (arguments.words[0] if arguments.words else "")
    try:
        pattern = compile_pattern(text)
    except RegexError as error:
        raise CommandError(f"Error: regex: {error}") from error
    found = []
    for metric in agent_metrics(session.agents, session.agent):
        if not isinstance(metric, Series):
            continue
        for values, number in metric.samples.items():
            labels = dict(sorted(zip(metric.labels, values, strict=True)))
            shown = " ".join(f"{name}={value}" for name, value in labels.items())
            if pattern.search(metric.name + shown):
                found.append((metric.name, shown, labels, number))
    found.sort(key=lambda row: row[:2])
    if arguments.value("output"):
        models = [{"name": name, "labels": labels, "value": number} for name, _, labels, number in found]
        await session.data(models, arguments.value("output"))
        return 0
    rows: list[tuple[object, ...]] = [("Metric", "Labels", "Value")]
    rows += [(name, shown, f"{number:f}") for name, shown, _, number in found]
    await session.out(table(rows, closed=False))
    return 0


COMMANDS = (
    Command(
        ("metrics", "list"),
        "List all metrics",
        _list,
        {**OUTPUT, "-p": "pattern", "--match-pattern": "pattern"},
        arguments=(0, 1),
    ),
)
