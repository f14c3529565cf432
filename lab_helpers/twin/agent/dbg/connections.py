"""``cilium-dbg bpf ct …``: connection tracking (cilium-dbg/cmd/bpf_ct_list.go, pkg/maps/ctmap/types.go)."""

from __future__ import annotations

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.agent.dbg.endpoints import find_endpoint
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, Session
from lab_helpers.twin.datapath.conntrack import Entry

__all__ = ["COMMANDS"]


def _ct_line(entry: Entry, now: float, *, started: float) -> str:
    key = entry.key
    way = "OUT" if key.direction is Direction.EGRESS else "IN"
    flags = entry.flags_word()
    names = [
        name
        for bit, name in ((1, "RxClosing"), (2, "TxClosing"), (16, "SeenNonSyn"), (64, "ProxyRedirect"))
        if flags & bit
    ]
    shown = f"[ {' '.join(names)} ]" if names else "[ ]"
    left = max(0, int(entry.expires - now))

    def stamp(moment: float) -> int:
        return max(0, int(moment - started))

    protocol = "ICMP" if key.protocol is Protocol.ICMP else key.protocol.text
    return (
        f"{protocol} {way} {key.src}:{key.sport} -> {key.dst}:{key.dport} expires={stamp(entry.expires)} "
        f"(remaining: {left} sec(s)) Packets={entry.packets} Bytes={entry.bytes} "
        f"RxFlagsSeen=0x{_wire(entry.rx_flags):02x} LastRxReport={stamp(entry.rx_report)} "
        f"TxFlagsSeen=0x{_wire(entry.tx_flags):02x} LastTxReport={stamp(entry.tx_report)} Flags=0x{flags:04x} {shown} "
        f"RevNAT={entry.reverse_nat} SourceSecurityID={entry.identity} BackendID=0 NatPort=0"
    )


def _wire(flags: int) -> int:
    return flags


async def _ct_list(session: Session, arguments: Arguments) -> int:
    which = arguments.words[0] if arguments.words else "global"
    entries: list[Entry] = list(session.agent.tables.conntrack)
    if which not in ("global", "cluster"):
        ip = find_endpoint(session.agent, which).datapath.ip
        entries = [entry for entry in entries if ip in (entry.key.src, entry.key.dst)]
    now = session.agent.clock.monotonic()
    entries.sort(key=lambda entry: entry.created)
    if arguments.value("output"):
        models = [
            {
                "Key": {
                    "SourceAddr": entry.key.src,
                    "DestAddr": entry.key.dst,
                    "SourcePort": entry.key.sport,
                    "DestPort": entry.key.dport,
                    "NextHeader": int(entry.key.protocol),
                    "Flags": 0 if entry.key.direction is Direction.EGRESS else 1,
                },
                "Value": {
                    "Packets": entry.packets,
                    "Bytes": entry.bytes,
                    "Lifetime": int(entry.expires),
                    "Flags": entry.flags_word(),
                    "RevNAT": entry.reverse_nat,
                    "SourceSecurityID": entry.identity,
                },
            }
            for entry in entries
        ]
        await session.data(models, arguments.value("output"))
        return 0
    if entries:
        await session.out("\n".join(_ct_line(entry, now, started=0.0) for entry in entries))
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
        OUTPUT,
        {"-d": "time", "--time-diff": "time"},
        (0, 1),
        "( <endpoint identifier> | global )",
    ),
    Command(
        ("bpf", "ct", "flush"),
        "Flush all connection tracking entries",
        _ct_flush,
        arguments=(0, 1),
        usage="( <endpoint identifier> | global )",
    ),
)
