"""``cilium-labs clock``."""

from __future__ import annotations

import re
from typing import Final

import click

from lab_helpers.clusters import connect
from lab_helpers.clusters.waiting import clock_of, move_clock

__all__ = ["clock"]

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(d|h|m|s|)")
_BACK: Final = re.compile(r"-\d")


class _Clock(click.Command):
    """Hands ``-3s`` to the argument, which knows what to say, before it is read as options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with a duration that begins with a minus put behind ``--``."""
        backwards = any(_BACK.match(word) for word in args)
        return super().parse_args(ctx, ["--", *args] if backwards and "--" not in args else args)


def _duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """``+70s``, ``2m``, ``1h30m``, ``90`` as seconds."""
    if value is None:
        return None
    if _BACK.match(value):
        what = f"time only moves forward, not by {value}; cilium-labs reset starts at the present again"
        raise click.BadParameter(what, ctx=ctx, param=param)
    text = value.removeprefix("+")
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        what = f"{value!r} is not a time to move by; write for example +70s, +5m or +1h30m"
        raise click.BadParameter(what, ctx=ctx, param=param)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


@click.command(cls=_Clock)
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
