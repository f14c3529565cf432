"""A Jupyter server started as an image would start it, asked over HTTP, and ended."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


@contextlib.contextmanager
def serving(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The server's address, as soon as it answers. ``command`` ends with Jupyter's; address and port are added."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    added = ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=t"]
    if os.geteuid() == 0:
        added.append("--allow-root")
    address, log = f"http://127.0.0.1:{port}", cwd / "jupyter.log"
    with log.open("wb") as output:
        server = subprocess.Popen([*command, *added], cwd=cwd, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 180
        while not answers(f"{address}/api"):
            assert server.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(60)


def answers(url: str) -> bool:
    """Is there a page?"""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
