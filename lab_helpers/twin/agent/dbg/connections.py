"""``cilium-dbg bpf ct …``: connection tracking (cilium-dbg/cmd/bpf_ct_list.go, pkg/maps/ctmap/types.go)."""

from __future__ import annotations

from typing import Any, Final

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, Session
from lab_helpers.twin.datapath.conntrack import Entry

__all__ = ["COMMANDS"]

_FLAGS: Final = ((1, "RxClosing"), (2, "TxClosing"), (16, "SeenNonSyn"), (64, "ProxyRedirect"))


def _line(entry: Entry, now: float, *, difference: bool) -> str:
    key = entry.key
    way = "OUT" if key.direction is Direction.EGRESS else "IN"
    flags = entry.flags_word()
    names = "".join(f"{name} " for bit, name in _FLAGS if flags & bit)
    left = f" (remaining: {max(0, int(entry.expires - now))} sec(s))" if difference else ""
    protocol = "ICMP" if key.protocol is Protocol.ICMP else key.protocol.text
    return (
        f"{protocol} {way} {key.src}:{key.sport} -> {key.dst}:{key.dport} expires={int(entry.expires)}{left} "
        f"Packets={entry.packets} Bytes={entry.bytes} "
        f"RxFlagsSeen=0x{entry.rx_flags:02x} LastRxReport={_moment(entry.rx_report)} "
        f"TxFlagsSeen=0x{entry.tx_flags:02x} LastTxReport={_moment(entry.tx_report)} Flags=0x{flags:04x} [ {names}] "
        f"RevNAT={entry.reverse_nat} SourceSecurityID={entry.identity} BackendID=0 NatPort=0 \n"
    )


def _moment(seconds: float) -> int:
    """Clock seconds; 0 for what never was."""
    return max(0, int(seconds))


def _model(entry: Entry) -> dict[str, Any]:
    key = entry.key
    return {
        "Key": {
            "DestAddr": key.dst,
            "SourceAddr": key.src,
            "DestPort": key.dport,
            "SourcePort": key.sport,
            "NextHeader": int(key.protocol),
            "Flags": 0 if key.direction is Direction.EGRESS else 1,
        },
        "Value": {
            "Packets": entry.packets,
            "Bytes": entry.bytes,
            "Lifetime": int(entry.expires),
            "Flags": entry.flags_word(),
            "RevNAT": entry.reverse_nat,
            "TxFlagsSeen": entry.tx_flags,
            "RxFlagsSeen": entry.rx_flags,
            "SourceSecurityID": entry.identity,
            "LastTxReport": _moment(entry.tx_report),
            "LastRxReport": _moment(entry.rx_report),
        },
    }


async def _ct_list(session: Session, arguments: Arguments) -> int:
    which = arguments.words[0] if arguments.words else "global"
    if which == "cluster":
        await session.process.err(
            "Invalid argument: per-cluster tables belong to a ClusterMesh, which the embedded cluster has none of"
        )
        return 0
    if which != "global":
        await session.process.err(f"Invalid argument: unknown type {which}")
        return 0
    entries = sorted(session.agent.tables.conntrack, key=lambda entry: entry.created)
    if arguments.value("output"):
        await session.data([_model(entry) for entry in entries], arguments.value("output"))
        return 0
    now, difference = session.agent.clock.monotonic(), "time" in arguments.switches
    for tcp in (True, False):  # two maps, each ends with an empty line
        lines = [_line(e, now, difference=difference) for e in entries if (e.key.protocol is Protocol.TCP) is tcp]
        await session.process.out("".join(lines) + "\n")
    return 0


async def _ct_flush(session: Session, _: Arguments) -> int:
    count = session.agent.flush_conntrack()
    await session.out(f"Flushed {count} entries from /sys/fs/bpf/tc/globals/cilium_ct4_global")
    return 0


COMMANDS = (
    Command(
        ("bpf", "ct", "list"),
        "List connection tracking entries",
        _ct_list,
        {**OUTPUT, "--time-diff-clocksource-mode": "mode", "--time-diff-clocksource-hz": "hertz"},
        {"-d": "time", "--time-diff": "time"},
        (0, 2),
        "[cluster <identifier>]",
    ),
    Command(
        ("bpf", "ct", "flush"),
        "Flush all connection tracking entries",
        _ct_flush,
        arguments=(0, 1),
        usage="( <endpoint identifier> | global )",
    ),
)
