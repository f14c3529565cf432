"""What tests of Hubble share: flows made here, a server in a thread, the command line in this process."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from lab_helpers.hubble.protos import flow_pb2

NOON = 1_790_000_000 * 1_000_000_000
"""The moment the tests' clock starts at."""


def make_flow(second: int = 0, **more: Any) -> Any:
    """A forwarded TCP SYN from shop/frontend to shop/backend:8080; keywords replace fields."""
    flow = flow_pb2.Flow(
        uuid=f"flow-{second}",
        verdict=flow_pb2.FORWARDED,
        Type=flow_pb2.L3_L4,
        node_name="kind-worker",
        Summary="TCP Flags: SYN",
        traffic_direction=flow_pb2.INGRESS,
    )
    flow.time.seconds = NOON // 1_000_000_000 + second
    flow.IP.source, flow.IP.destination, flow.IP.ipVersion = "10.244.1.7", "10.244.2.9", flow_pb2.IPv4
    flow.l4.TCP.source_port, flow.l4.TCP.destination_port, flow.l4.TCP.flags.SYN = 45864, 8080, True
    flow.source.identity, flow.source.namespace, flow.source.pod_name = 11001, "shop", "frontend-7d4"
    flow.source.labels.extend(["k8s:app=frontend", "k8s:io.kubernetes.pod.namespace=shop"])
    flow.destination.identity, flow.destination.namespace, flow.destination.pod_name = 22733, "shop", "backend-5c9"
    flow.destination.labels.extend(["k8s:app=backend", "k8s:io.kubernetes.pod.namespace=shop"])
    flow.event_type.type = 4
    flow.is_reply.value = False
    flow.MergeFrom(flow_pb2.Flow(**more))
    return flow


class CommandLine:
    """Runs ``hubble`` in this process."""

    def __call__(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, bytes]:
        """Exit status, stdout, stderr."""
        from lab_helpers.tools.hubble.running import main

        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape", newline="\n") for _ in range(2))
        environ = {"HOME": "/home/lab", "TZ": "UTC", **(env or {})}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
            for name in list(os.environ):
                if name.startswith(("HUBBLE_", "XDG_", "KUBE")) or name in ("NO_COLOR", "TERM", "HOME", "USERPROFILE"):
                    patch.delenv(name)
            for name, value in environ.items():
                patch.setenv(name, value)
            status = main(list(args), out, err)
            out.flush()
            err.flush()
        return status, out.buffer.getvalue(), err.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def hubble() -> CommandLine:
    return CommandLine()


@contextmanager
def serving(add: Callable[[Any], None]) -> Iterator[tuple[str, Callable[[Callable[[], Any]], Any]]]:
    """A grpc.aio server in a thread: its address, and a way to run a function in its event loop."""
    import grpc

    from lab_helpers.hubble.serving import SERVER_OPTIONS

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[Any, int]:
        server = grpc.aio.server(options=SERVER_OPTIONS)
        add(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    async def run(function: Callable[[], Any]) -> Any:
        return function()

    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(120)
    try:
        yield (
            f"127.0.0.1:{port}",
            lambda function: asyncio.run_coroutine_threadsafe(run(function), loop).result(120),
        )
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(120)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(120)
        loop.close()
