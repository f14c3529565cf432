"""Hubble's flows at their most: a ring of 100,000, searched, and asked by ``hubble observe``."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_helpers.tools.shims import write_shims
from tests.benchmarks.measuring import say, seconds, timed

if TYPE_CHECKING:
    from lab_helpers.hubble.serving import NodeLog


def ring(rounds: int) -> None:
    """A search in a full ring that finds nothing, which is the longest."""
    from lab_helpers.hubble.filters import compile_filters
    from lab_helpers.hubble.protos import flow_pb2
    from lab_helpers.hubble.selections import Selection, select
    from lab_helpers.hubble.serving import NodeLog
    from lab_helpers.hubble.serving.streaming import is_lost

    log = NodeLog("node", clock=time.time_ns, capacity=100_000)
    for number in range(100_000):
        flow = flow_pb2.Flow(verdict=flow_pb2.FORWARDED, node_name="node")
        flow.time.FromNanoseconds(number)
        flow.source.pod_name, flow.source.namespace = f"frontend-{number % 100}", "shop"
        flow.source.labels.append("k8s:app=frontend")
        flow.destination.pod_name, flow.destination.namespace = "backend", "shop"
        flow.destination.labels.append("k8s:app=backend")
        flow.l4.TCP.destination_port = 8080
        log.add_flow(flow)
    common: dict[str, Any] = {
        "verdict": [flow_pb2.FORWARDED],
        "protocol": ["tcp"],
        "destination_port": ["8080"],
        "source_pod": ["shop/"],
    }
    for label in ("app=frontend", "app=nothing"):
        filters = [flow_pb2.FlowFilter(source_label=[label], **common)]
        search = functools.partial(select, log.flows, Selection(number=20), compile_filters(filters), is_lost)
        say(f"100,000 flows, five filters, label {label}", seconds([timed(search) for _ in range(rounds)]))
    with tempfile.TemporaryDirectory(prefix="twin-bench-") as name, serving(log) as address:
        write_shims(Path(name), environ={})
        hubble = (str(Path(name) / "hubble"), "observe", "--server", address)
        five = ("--verdict", "FORWARDED", "--protocol", "tcp", "--to-port", "8080", "--from-pod", "shop/")
        commands = {
            "an empty Python": (sys.executable, "-IS", "-c", "pass"),
            "hubble observe, no filter": hubble,
            "hubble observe, five filters, found": (*hubble, *five, "--from-label", "app=frontend"),
            "hubble observe, five filters, nothing found": (*hubble, *five, "--from-label", "app=nothing"),
        }
        figures: dict[str, list[float]] = {what: [] for what in commands}
        for _ in range(rounds):
            for what, words in commands.items():
                quiet = functools.partial(subprocess.run, words, check=True, stdout=subprocess.DEVNULL)
                figures[what].append(timed(quiet))
        for what, values in figures.items():
            say(f"100,000 flows, whole command: {what}", seconds(values))


@contextlib.contextmanager
def serving(log: NodeLog) -> Iterator[str]:
    """One node's Hubble server in a thread, as long as the block lasts; gives its address."""
    import grpc

    from lab_helpers.hubble.serving import SERVER_OPTIONS, add_agent

    ports: queue.Queue[int] = queue.Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        server = grpc.aio.server(options=SERVER_OPTIONS)
        add_agent(server, log, peers=list)
        ports.put(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        await stop.wait()
        await server.stop(None)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield f"127.0.0.1:{ports.get(timeout=10)}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
