"""Joining a container's main program: its input, its output, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest


async def typed(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def attached(lab, pod, *chunks: bytes) -> str:
    out = bytearray()

    async def keep(data: bytes) -> None:
        out.extend(data)

    name = pod["spec"]["containers"][0]["name"]
    await lab.runtime.attach(lab.key(pod), name, stdin=typed(*chunks) if chunks else None, stdout=keep, stderr=keep)
    return out.decode()


async def test_a_shell_waits_for_what_is_typed(lab):
    pod = lab.pod("sh", "busybox", command=["sh"], stdin=True)
    await lab.clock.advance(60)
    assert lab.state(pod).running
    assert await attached(lab, pod, b"echo $((6 * 7)); echo no >&2\n", b"exit 4\n") == "42\nno\n"
    await lab.clock.advance(0)
    assert lab.state(pod).exit_code == 4
    assert await lab.logs(pod) == "42\nno\n"


@pytest.mark.parametrize(("once", "running"), [(True, False), (False, True)])
async def test_the_end_of_input_ends_the_program_only_under_stdin_once(lab, once, running):
    pod = lab.pod("cat", "busybox", command=["cat"], stdin=True, stdinOnce=once)
    joined = asyncio.ensure_future(attached(lab, pod, b"one\n"))
    await lab.clock.advance(1)
    assert (lab.state(pod).running, joined.done()) == (running, not running)
    assert await lab.logs(pod) == "one\n"
    joined.cancel()


async def test_without_stdin_there_is_nothing_to_read(lab):
    pod = lab.pod("cat", "busybox", command=["cat"])
    await lab.clock.advance(0)
    assert lab.state(pod).exit_code == 0


async def test_a_terminal_echoes_and_prompts(lab):
    pod = lab.pod("sh", "busybox", command=["sh"], stdin=True, tty=True)
    shown = await attached(lab, pod, b"echo hi\r", b"exit\r")
    assert "echo hi\r\n" in shown
    assert "hi\r\n" in shown


async def test_leaving_ends_nothing(lab):
    pod = lab.pod("tick", "busybox", command=["sh", "-c", "while true; do echo tick; sleep 1; done"])
    joined = asyncio.ensure_future(attached(lab, pod))
    await lab.clock.advance(3)
    joined.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joined
    await lab.clock.advance(3)
    assert lab.state(pod).running


async def test_the_first_to_come_sees_what_was_printed_before(lab):
    pod = lab.pod("hello", "busybox", command=["sh", "-c", "echo hello"], stdin=True, stdinOnce=True)
    await lab.clock.advance(1)
    assert not lab.state(pod).running
    assert await attached(lab, pod) == "hello\n"
    with pytest.raises(LookupError):
        await attached(lab, pod)


async def test_nobody_joins_what_has_ended(lab):
    pod = lab.pod("true", "busybox", command=["true"])
    await lab.clock.advance(0)
    with pytest.raises(LookupError):
        await attached(lab, pod)
