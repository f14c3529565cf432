"""ip, ss, netstat, arp-less: the network as a container sees it, from simulated state."""

from __future__ import annotations

import hashlib

from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.sockets import Socket

__all__ = ["ip", "netstat", "ss"]


def _mac(process: SimulatedProcess, salt: str = "") -> str:
    digest = hashlib.sha256(f"{process.pod['metadata'].get('uid', '')}{salt}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in bytes([digest[0] & 0xFE | 0x02]) + digest[1:6])


def _router(process: SimulatedProcess) -> str:
    """The gateway: Cilium's address on this node."""
    return process.machine.router() or ".".join([*process.network.ip.split(".")[:3], "1"])


@program
async def ip(process: SimulatedProcess) -> int:
    """ip [-4] [-br] addr|link|route|neigh [show]"""
    words = [word for word in process.argv[1:] if not word.startswith("-")]
    options = {word for word in process.argv[1:] if word.startswith("-")}
    what = words[0] if words else ""
    if len(words) > 1 and words[1] in ("add", "del", "delete", "set", "change", "replace", "flush"):
        await process.err("RTNETLINK answers: Operation not permitted\n")
        return 2
    address = process.network.ip
    host = bool(process.pod.get("spec", {}).get("hostNetwork"))
    if what and "address".startswith(what):
        return await _addresses(process, address, host=host, brief="-br" in options or "-brief" in options)
    if what and "link".startswith(what):
        await process.out(
            _link(1, "lo", "LOOPBACK,UP,LOWER_UP", 65536, "loopback", "00:00:00:00:00:00", "UNKNOWN", "noqueue")
        )
        await process.out(
            _link(9, "eth0@if10", "BROADCAST,MULTICAST,UP,LOWER_UP", 1500, "ether", _mac(process), "UP", "noqueue")
        )
        return 0
    if what and "route".startswith(what):
        if host:
            await process.out(
                f"default via 172.18.0.1 dev eth0 \n172.18.0.0/16 dev eth0 proto kernel scope link src {address} \n"
            )
        else:
            router = _router(process)
            await process.out(f"default via {router} dev eth0 mtu 1450 \n{router} dev eth0 scope link \n")
        return 0
    if what and "neighbour".startswith(what):
        await process.out(f"{_router(process)} dev eth0 lladdr {_mac(process, 'lxc')} REACHABLE \n")
        return 0
    await process.err(
        "Usage: ip [ OPTIONS ] { address | link | route | neigh } [ show ]\n"
        if not what
        else f'Object "{what}" is unknown, try "ip help".\n'
    )
    return 255 if not what else 1


def _link(index: int, name: str, flags: str, mtu: int, kind: str, mac: str, state: str, discipline: str) -> str:
    broadcast = "00:00:00:00:00:00" if kind == "loopback" else "ff:ff:ff:ff:ff:ff"
    return (
        f"{index}: {name}: <{flags}> mtu {mtu} qdisc {discipline} state {state} group default qlen 1000\n"
        f"    link/{kind} {mac} brd {broadcast}{'' if kind == 'loopback' else ' link-netnsid 0'}\n"
    )


async def _addresses(process: SimulatedProcess, address: str, *, host: bool, brief: bool) -> int:
    prefix = 16 if host else 32
    if brief:
        await process.out(f"{'lo':<17}{'UNKNOWN':<15}127.0.0.1/8 \n{'eth0@if10':<17}{'UP':<15}{address}/{prefix} \n")
        return 0
    await process.out(
        _link(1, "lo", "LOOPBACK,UP,LOWER_UP", 65536, "loopback", "00:00:00:00:00:00", "UNKNOWN", "noqueue")
        + "    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever\n"
        + _link(9, "eth0@if10", "BROADCAST,MULTICAST,UP,LOWER_UP", 1500, "ether", _mac(process), "UP", "noqueue")
        + f"    inet {address}/{prefix} scope global eth0\n       valid_lft forever preferred_lft forever\n"
    )
    return 0


def _chosen(process: SimulatedProcess, letters: str) -> list[Socket]:
    sockets = list(process.network.open_sockets)
    if "t" in letters and "u" not in letters:
        sockets = [one for one in sockets if one.protocol == "tcp"]
    if "u" in letters and "t" not in letters:
        sockets = [one for one in sockets if one.protocol == "udp"]
    if "l" in letters:
        return [one for one in sockets if one.state in ("LISTEN", "UNCONN")]
    if "a" in letters:
        return sockets
    return [one for one in sockets if one.state == "ESTAB"]


def _letters(process: SimulatedProcess) -> str:
    return "".join(word[1:] for word in process.argv[1:] if word.startswith("-") and not word.startswith("--"))


def _end(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1] or '*'}"


@program
async def ss(process: SimulatedProcess) -> int:
    """ss [-tulanp]"""
    letters = _letters(process)
    both = not ("t" in letters) ^ ("u" in letters)
    lines = [
        (
            f"{'Netid ' if both else ''}{'State':<7}{'Recv-Q':<7}{'Send-Q':<7}"
            f"{'Local Address:Port':>19} {'Peer Address:Port':>19} Process"
        )
    ]
    for one in _chosen(process, letters):
        owner = f' users:(("{one.program}",pid={one.pid},fd=3))' if "p" in letters else ""
        netid = f"{one.protocol:<6}" if both else ""
        lines.append(
            f"{netid}{one.state:<7}{0:<7}{4096 if one.state == 'LISTEN' else 0:<7}"
            f"{_end(one.local):>19} {_end(one.remote):>19}{owner}"
        )
    await process.out("".join(line + "\n" for line in lines))
    return 0


@program
async def netstat(process: SimulatedProcess) -> int:
    """netstat [-tulanp]"""
    letters = _letters(process)
    if "r" in letters:
        router = _router(process)
        await process.out(
            "Kernel IP routing table\nDestination     Gateway         Genmask         Flags   MSS Window  irtt Iface\n"
            f"{'0.0.0.0':<16}{router:<16}{'0.0.0.0':<16}UG        0 0          0 eth0\n"
            f"{router:<16}{'0.0.0.0':<16}{'255.255.255.255':<16}UH        0 0          0 eth0\n"
        )
        return 0
    title = "only servers" if "l" in letters else "servers and established" if "a" in letters else "w/o servers"
    owner_title = "PID/Program name    " if "p" in letters else ""
    await process.out(
        f"Active Internet connections ({title})\n"
        f"Proto Recv-Q Send-Q Local Address           Foreign Address         State       {owner_title}\n"
    )
    states = {"LISTEN": "LISTEN", "ESTAB": "ESTABLISHED", "UNCONN": ""}
    for one in _chosen(process, letters):
        owner = f"{one.pid}/{one.program}" if "p" in letters else ""
        await process.out(
            f"{one.protocol:<5}{0:>7}{0:>7} {_end(one.local):<23} {_end(one.remote):<23} "
            f"{states[one.state]:<11} {owner}\n"
        )
    return 0
