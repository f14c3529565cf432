"""Packets have bytes: what the monitor shows of them is what the connection did."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import struct
from pathlib import Path

import pytest

from lab_helpers.policy.protocols import Protocol
from lab_helpers.twin.agent.dbg.dissecting import connection, dissected, hex_dump
from lab_helpers.twin.agent.dbg.main import dbg_program
from lab_helpers.twin.datapath.frames import CAPTURED, frame, frame_length
from lab_helpers.twin.datapath.packets import ACK, PSH, RST, SYN, Packet
from lab_helpers.twin.datapath.segments import Segment
from lab_helpers.twin.interfaces import ConnectionFailed
from tests.twin.agent.clusters import N1, N2, Cluster, echo
from tests.twin.agent.processes import FakeProcess

GOLDENS = Path(__file__).parent / "goldens" / "dissections.txt"
MACS = ("0a:4e:b0:24:fd:0d", "62:51:6f:91:30:4c")
A, B = "10.0.1.5", "10.0.2.9"
POLICY = {
    "endpointSelector": {"matchLabels": {"app": "server"}},
    "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "client"}}]}],
}
TIMES = Segment(7, 9, 1 << 20, 3, 2.0, 1.5)


def recorded() -> list[tuple[str, str]]:
    """(frame in hexadecimal, what the library printed)."""
    blocks = GOLDENS.read_text(encoding="utf-8").split("# ")[1:]
    return [(block.partition("\n")[0], block.partition("\n")[2]) for block in blocks]


@pytest.mark.parametrize(("text", "printed"), recorded(), ids=lambda value: value[:8])
def test_layers_and_dumps_are_the_librarys(text: str, printed: str) -> None:
    data = bytes.fromhex(text)
    assert dissected(data) + hex_dump(data) == printed


def ones(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data + bytes(len(data) % 2)) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize(
    "packet",
    [
        Packet(Protocol.TCP, A, 40001, B, 80, SYN, segment=TIMES._replace(heard=None)),
        Packet(Protocol.TCP, A, 40001, B, 80, ACK | PSH, 3, 0, b"odd", TIMES),
        Packet(Protocol.TCP, A, 40001, B, 80, RST | ACK),
        Packet(Protocol.UDP, A, 40001, B, 53, 0, 5, 0, b"query"),
        Packet(Protocol.ICMP, A, 77, B, 0, 0, 56, 8, bytes(range(56)), TIMES),
    ],
)
def test_lengths_and_checksums_are_right(packet: Packet) -> None:
    data = frame(packet, *MACS, 64)
    assert len(data) == frame_length(packet) == packet.bytes
    header, inner = data[14:34], data[34:]
    assert struct.unpack(">H", header[2:4])[0] == len(data) - 14
    assert ones(header) == 0xFFFF
    pseudo = b"" if header[9] == 1 else header[12:20] + struct.pack(">HH", header[9], len(inner))
    assert ones(pseudo + inner) == 0xFFFF


def test_a_large_write_is_one_frame_of_bounded_size() -> None:
    packet = Packet(Protocol.TCP, A, 40001, B, 80, ACK | PSH, 200_000, 0, b"x" * 200_000, TIMES)
    assert len(frame(packet, *MACS, 64)) == frame_length(packet) == 65535 + 14


async def shop() -> Cluster:
    cluster = await Cluster({"kube-proxy-replacement": "true"}).start()
    for name, node in (("client", N1), ("server", N1), ("far", N2)):
        cluster.pod(name, node).listen(80, echo)
    cluster.cnp("allow", POLICY)
    await cluster.settle()
    return cluster


async def monitor(cluster: Cluster, *words: str) -> str:
    process = FakeProcess(cluster, N1, ["cilium-dbg", "monitor", *words])
    task = process.start(dbg_program(cluster.agents))
    await cluster.settle()
    client, server = cluster.sockets("client"), cluster.sockets("server")
    stream = await client.connect(server.ip, 80)
    await stream.write(b"hello, server")
    assert await stream.read() == b"hello, server"
    await stream.close()
    with pytest.raises(ConnectionFailed):
        await cluster.within(cluster.sockets("far").connect(server.ip, 80, timeout=0.4))
    await cluster.settle()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return process.output


def numbers(text: str, name: str) -> list[int]:
    return [int(found) for found in re.findall(rf"\b{name}=(\d+)", text)]


async def test_the_numbers_of_a_connection_follow_from_its_bytes() -> None:
    cluster = await shop()
    text = await monitor(cluster, "-vv", "-t", "trace")
    blocks = [block for block in text.split("-" * 78 + "\n")[1:] if " to-endpoint: " in block]
    syn, synack, ack, data, *_ = blocks
    assert [numbers(block, "Seq")[0] - numbers(syn, "Seq")[0] for block in (syn, ack, data)] == [0, 1, 1]
    assert numbers(synack, "Ack")[0] == numbers(syn, "Seq")[0] + 1
    assert numbers(ack, "Ack")[0] == numbers(synack, "Seq")[0] + 1
    fins = [block for block in blocks if "FIN=true" in block]
    first, second = fins[0], fins[1]
    assert numbers(first, "Seq")[0] == numbers(syn, "Seq")[0] + 1 + len("hello, server")
    assert numbers(second, "Ack")[0] == numbers(first, "Seq")[0] + 1
    server = next(e for e in cluster.agents.nodes[N1].endpoints.values() if e.datapath.pod == "server")
    head, ethernet, ip, tcp = syn.splitlines()
    assert re.fullmatch(
        rf"CPU 0[01]: MARK 0x[0-9a-f]+ FROM {server.id} to-endpoint: 74 bytes \(74 captured\), state new, "
        rf"interface {server.datapath.interface}, , identity \d+->\d+, orig-ip [0-9.]+, to endpoint {server.id}",
        head,
    )
    assert f"SrcMAC={server.datapath.host_mac} DstMAC={server.datapath.mac} EthernetType=IPv4" in ethernet
    assert " Id=" in ip
    assert " TTL=63 Protocol=TCP" in ip
    assert "Options=[..5..]" in tcp


async def test_payload_is_there_and_ends_with_the_capture() -> None:
    cluster = await shop()
    cluster.agents.nodes[N1].change_options({"MonitorAggregationLevel": "none"})
    text = await monitor(cluster, "-v", "-v", "--hex", "-t", "trace")
    assert "|" in text
    shown = "".join(re.findall(r"\|(.*)\|\n", text))
    assert "hello, server" in shown
    assert re.search(r"FROM \d+ from-endpoint: 74 bytes \(74 captured\), state unknown, , identity \d+->unknown", text)
    assert max(map(int, re.findall(r"\((\d+) captured\)", text))) <= CAPTURED


async def test_a_drop_shows_numbers_where_others_show_layers() -> None:
    cluster = await shop()
    plain = await monitor(cluster, "-vv", "-t", "drop")
    assert re.search(r"DROP: 74 bytes, reason Policy denied, identity \d+->\d+, to endpoint \d+\n00000000  ", plain)
    turned = await monitor(cluster, "-vv", "--hex", "-t", "drop")
    assert "\nEthernet\t{Contents=[..14..]" in turned


async def test_verdicts_and_hex_without_detail_stay_on_one_line() -> None:
    cluster = await shop()
    assert (await monitor(cluster, "-vv", "-t", "policy-verdict")).startswith("Policy verdict log: flow 0x")
    assert "xx drop (Policy denied) flow 0x" in await monitor(cluster, "--hex", "-v", "-t", "drop")
    assert "xx drop (Policy denied) flow 0x" in await monitor(cluster, "-v", "-v", "-v", "-t", "drop")


async def test_json_has_the_layers_of_the_packet() -> None:
    cluster = await shop()
    events = [json.loads(line) for line in (await monitor(cluster, "-j", "-t", "trace")).splitlines()]
    summary = events[0]["summary"]
    assert list(summary) == ["ethernet", "ipv4", "tcp", "l2", "l3", "l4"]
    assert summary["ipv4"].startswith("IPv4\t{Contents=[..20..] Payload=[..40..] Version=4 IHL=5 TOS=0 Length=60 Id=")
    assert events[0]["bytes"] == 74


async def test_translations_of_sockets_are_shown_with_one_v() -> None:
    cluster = await shop()
    ip = cluster.service("web", 8080, {cluster.sockets("server").ip: N1}, target=80)
    await cluster.settle()
    outputs = []
    for words in ((), ("-v",), ("-vv",)):
        process = FakeProcess(cluster, N1, ["cilium-dbg", "monitor", "-t", "trace-sock", *words])
        task = process.start(dbg_program(cluster.agents))
        await cluster.settle()
        await (await cluster.sockets("client").connect(ip, 8080)).close()
        await cluster.settle()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        outputs.append(process.output)
    assert outputs[0] == outputs[2] == ""
    assert "[pre-xlate-fwd] cgroup_id: " in outputs[1]
    assert f", dst [{ip}]:8080 tcp \n" in outputs[1]


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (Packet(Protocol.TCP, A, 40001, B, 80, ACK | PSH, segment=TIMES), f"{A}:40001 -> {B}:80 tcp ACK"),
        (Packet(Protocol.ICMP, A, 77, B, 0, 0, 56, 8), f"{A} -> {B} icmp EchoRequest"),
        (Packet(Protocol.UDP, A, 40001, B, 53), f"{A}:40001 -> {B}:53 udp"),
    ],
)
def test_connections(packet: Packet, text: str) -> None:
    assert connection(frame(packet, *MACS, 64)) == text
