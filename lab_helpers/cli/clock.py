"""``cilium-labs clock``."""

from __future__ import annotations

import re
from typing import Final

import click

from lab_helpers.clusters import connect
from lab_helpers.clusters.waiting import clock_of, move_clock

__all__ = ["clock"]

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|)")


def _duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """``+70s``, ``2m``, ``1h30m``, ``90`` as seconds."""
    if value is None:
        return None
    text = value.removeprefix("+")
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        what = f"{value!r} is not a time to move by; write for example +70s, +5m or +1h30m"
        raise click.BadParameter(what, ctx=ctx, param=param)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


@click.command()
@click.argument("by", callback=_duration, required=False, metavar="[+DURATION]")
def clock(by: float | None) -> None:
    """Show the twin's clock, or move it forward.

    Everything that falls due on the way happens at its own moment: leases, probes, DNS answers that expire, garbage
    collection. The clock never moves backwards; `cilium-labs reset` starts at the present again.

    \b
    Examples:
      cilium-labs clock
      cilium-labs clock +70s
      cilium-labs clock +1h30m
    """
    cluster = connect()
    state = clock_of(cluster) if by is None else move_clock(cluster, by)
    ahead = f"{state.ahead:.0f} s ahead of this machine" if state.ahead >= 1 else "as on this machine"
    click.echo(f"{state.now} ({ahead})")
