"""Help and usage in the form of the library that the real program is built with (spf13/cobra)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lab_helpers.twin.agent.dbg.sessions import Command

__all__ = ["GROUPS", "NOT_PLAYED", "command_help", "group_help", "suggestions"]

GROUPS: Final = {
    (): "CLI for interacting with the local Cilium Agent",
    ("bpf",): "Direct access to local BPF maps",
    ("bpf", "ct"): "Connection tracking tables",
    ("bpf", "endpoint"): "Local endpoint map",
    ("bpf", "ipcache"): "Manage the IPCache mappings for IP/CIDR <-> Identity",
    ("bpf", "lb"): "Load-balancing configuration",
    ("bpf", "metrics"): "BPF datapath traffic metrics",
    ("bpf", "nat"): "NAT mapping tables",
    ("bpf", "policy"): "Manage policy related BPF maps",
    ("bpf", "tunnel"): "Tunnel endpoint map",
    ("encrypt",): "Manage transparent encryption",
    ("endpoint",): "Manage endpoints",
    ("fqdn",): "Manage fqdn proxy",
    ("fqdn", "cache"): "Manage fqdn proxy cache",
    ("identity",): "Manage security identities",
    ("ip",): "Manage IP addresses and associated information",
    ("map",): "Access userspace cached content of BPF maps",
    ("metrics",): "Access metric status",
    ("node",): "Manage cluster nodes",
    ("policy",): "Manage security policies",
    ("preflight",): "Cilium upgrade helper",
    ("service",): "Manage services & loadbalancers",
    ("troubleshoot",): "Run troubleshooting utilities to check control-plane connectivity",
}
"""Commands that only hold others, with what they say of themselves."""

NOT_PLAYED: Final = frozenset(
    {
        *("bgp", "cgroups", "cleanup", "completion", "debuginfo", "kvstore", "loadinfo", "lrp", "nodeid"),
        *("post-uninstall-cleanup", "prefilter", "recorder", "shell", "statedb"),
        *("bpf auth", "bpf bandwidth", "bpf config", "bpf egress", "bpf frag", "bpf fs", "bpf ipmasq"),
        *("bpf multicast", "bpf nodeid", "bpf recorder", "bpf sha", "bpf socknat", "bpf srv6", "bpf vtep"),
        *("bpf endpoint delete", "bpf ipcache delete", "bpf ipcache update", "bpf lb maglev", "bpf metrics flush"),
        *("bpf nat flush", "bpf nat retries", "bpf policy add", "bpf policy delete", "bpf policy list"),
        *("encrypt flush", "endpoint disconnect", "envoy", "map events"),
    }
)
"""Commands of the real program that have nothing to show in the embedded cluster."""

_GLOBAL: Final = (
    "Global Flags:\n"
    "      --config string        Config file (default is $HOME/.cilium.yaml)\n"
    "  -D, --debug                Enable debug messages\n"
    "  -H, --host string          URI to server-side API\n"
    "      --log-driver strings   Logging endpoints to use (example: syslog)\n"
    "      --log-opt map          Log driver options (example: format=json)\n"
)


def group_help(prefix: Sequence[str], commands: Iterable[Command]) -> str:
    """What a command that only holds others prints."""
    path = " ".join(("cilium-dbg", *prefix))
    found: dict[str, str] = {}
    depth = len(prefix)
    for command in commands:
        if command.words[:depth] == tuple(prefix) and len(command.words) > depth:
            name = command.words[depth]
            leaf = len(command.words) == depth + 1
            found[name] = command.short if leaf else GROUPS.get(command.words[: depth + 1], command.short)
    width = max(11, *(len(name) for name in found))
    lines = [f"  {name:<{width}} {short}" for name, short in sorted(found.items())]
    tail = [_GLOBAL] if prefix else []
    return "\n".join(
        [
            GROUPS.get(tuple(prefix), path),
            "",
            "Usage:",
            f"  {path} [command]",
            "",
            "Available Commands:",
            *lines,
            "",
            "Flags:",
            f"  -h, --help   help for {prefix[-1] if prefix else 'cilium-dbg'}",
            "",
            *tail,
            f'Use "{path} [command] --help" for more information about a command.',
        ]
    )


def command_help(command: Command, *, usage_only: bool = False) -> str:
    """What ``--help`` prints; ``usage_only``: what follows an error about flags."""
    line = f"  cilium-dbg {' '.join(command.words)} {command.usage}".rstrip() + " [flags]"
    flags: dict[str, list[str]] = {}
    for spelling, name in (*command.values.items(), *command.switches.items()):
        flags.setdefault(name, []).append(spelling)
    rows = [("-h, --help", f"help for {command.words[-1]}")]
    for name, spellings in flags.items():
        short = next((text for text in spellings if not text.startswith("--")), "")
        long = next((text for text in spellings if text.startswith("--")), "")
        shown = ", ".join(part for part in (short, long) if part)
        kind = " string" if name in command.values.values() else ""
        text = "json| yaml| jsonpath='{}'" if name == "output" else ""
        rows.append((("" if short else "    ") + shown + kind, text))
    width = max(len(flag) for flag, _ in rows)
    shown_rows = [
        f"  {flag:<{width}}   {text}".rstrip() for flag, text in sorted(rows, key=lambda row: row[0].lstrip())
    ]
    head = [] if usage_only else [command.short, ""]
    return "\n".join([*head, "Usage:", line, "", "Flags:", *shown_rows, "", _GLOBAL])


def suggestions(word: str, commands: Iterable[Command]) -> str:
    """``Did you mean this?`` for a mistyped first word; "" when nothing is near."""
    names = sorted({command.words[0] for command in commands})
    near = [name for name in names if _distance(word, name) <= 2 or name.startswith(word)]
    return "\n\nDid you mean this?\n" + "".join(f"\t{name}\n" for name in near) if near else ""


def _distance(one: str, other: str) -> int:
    """Levenshtein's."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
