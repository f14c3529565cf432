"""Names, HTTP and time, end to end."""

from __future__ import annotations

import asyncio


async def finish(lab, task, *, step=1.0, turns=200):
    """Move the clock until ``task`` is done."""
    for _ in range(turns):
        if task.done():
            break
        await lab.clock.advance(step)
    return await asyncio.wait_for(task, 5)


async def test_cluster_names(lab, client):
    lab.dns()
    lab.service("backend", "10.96.5.5", 8080)
    await lab.clock.advance(0)
    result = await lab.sh(client, "cat /etc/resolv.conf; curl -sS -m 3 http://backend:8080/")
    assert "nameserver 10.96.0.10" in result.out
    result = await lab.sh(client, "curl -sS http://nosuch:8080/")
    assert result.code == 6
    assert result.err == "curl: (6) Could not resolve host: nosuch\n"


async def test_timeouts(lab, client):
    task = asyncio.create_task(lab.sh(client, "curl -sS -m 3 http://10.0.1.99:8080/"))
    result = await finish(lab, task)
    assert (result.code, result.err) == (28, "curl: (28) Connection timed out after 3000 milliseconds\n")
    task = asyncio.create_task(lab.sh(client, "curl -s --connect-timeout 2 10.0.1.99"))
    assert (await finish(lab, task)).code == 28


async def test_refused(lab, client):
    other = lab.pod("other")
    result = await lab.sh(client, f"curl {other['status']['podIP']}:81")
    assert result.code == 7
    assert "port 81 after 0 ms: Could not connect to server" in result.err
