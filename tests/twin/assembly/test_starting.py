"""The assembled twin: it answers early, comes alive, stops at any moment, and comes back the same."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from lab_helpers.twin.arriving import ArrivingConsole
from lab_helpers.twin.assembly import Twin
from lab_helpers.twin.interfaces import ByteStream, Console, ExecResult, PodKey


async def get(twin: Twin, path: str) -> Any:
    def ask() -> Any:
        context = ssl.create_default_context(cafile=str(twin.home / "ca.crt"))
        request = urllib.request.Request(f"{twin.url}{path}", headers={"authorization": f"Bearer {twin.token}"})
        with urllib.request.urlopen(request, context=context, timeout=120) as answer:
            return json.loads(answer.read())

    return await asyncio.to_thread(ask)


async def test_the_api_answers_with_a_whole_cluster_at_once_and_stops_before_it_is_alive(tmp_path: Path) -> None:
    twin = Twin(tmp_path)
    await twin.start()
    nodes = (await get(twin, "/api/v1/nodes"))["items"]
    reasons = [{item["type"]: item["reason"] for item in node["status"]["conditions"]}["Ready"] for node in nodes]
    assert reasons == ["KubeletNotReady"] * 3
    await twin.stop()


async def test_a_home_brings_the_same_cluster_back(tmp_path: Path) -> None:
    first = Twin(tmp_path)
    await first.start()
    await first.alive()
    uid = (await get(first, "/api/v1/namespaces/kube-system"))["metadata"]["uid"]
    url, token, target = first.url, first.token, await first.relay_target()
    await first.stop()
    second = Twin(tmp_path)
    await second.start()
    machinery = await second.alive()
    assert (second.url, second.token, machinery.relay.target) == (url, token, target)
    assert (await get(second, "/api/v1/namespaces/kube-system"))["metadata"]["uid"] == uid
    await second.stop()


class Echo(Console):
    """A console that answers with what it was asked."""

    async def logs(self, *args: Any, **options: Any) -> AsyncIterator[bytes]:
        yield repr((args, options)).encode()

    async def execute(self, *args: Any, **options: Any) -> ExecResult:
        return ExecResult(0, repr((args, options)))

    async def port_forward(self, pod: PodKey, port: int) -> ByteStream:
        raise LookupError(f"{pod.name}:{port}")


async def test_commands_wait_for_the_containers() -> None:
    arriving = ArrivingConsole()
    running = asyncio.create_task(arriving.execute("pod", tty=True))
    await asyncio.sleep(0)
    assert not running.done()
    arriving.arrive(Echo())
    assert (await running).message == repr((("pod",), {"tty": True}))
    assert [line async for line in arriving.logs("pod")] == [repr((("pod",), {})).encode()]
