"""Twins for tests of the tools, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def start_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Path]]:
    """Starts a twin and returns its kubeconfig; all are stopped at the end."""
    with ExitStack() as stack:

        def start() -> Path:
            home = tmp_path_factory.mktemp("twin")
            log = stack.enter_context((home / "test.log").open("wb"))
            words = [sys.executable, "-m", "lab_helpers.twin", "--home", str(home)]
            process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(_stop, process)
            deadline = time.monotonic() + 120
            while not _ready(home / "kubeconfig"):
                assert process.poll() is None, (home / "test.log").read_text()
                assert time.monotonic() < deadline, (home / "test.log").read_text()
                time.sleep(0.05)
            return home / "kubeconfig"

        yield start


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(120)


def _ready(config: Path) -> bool:
    from lab_helpers.tools.rest import Client, Options, RestError

    if not config.exists():
        return False
    client = Client.load(Options(kubeconfig=str(config)))
    try:
        pods = client.get("/api/v1/namespaces/kube-system/pods").get("items") or []
        account = client.get("/api/v1/namespaces/default/serviceaccounts/default")
    except RestError:
        return False
    finally:
        client.close()
    return len(pods) >= 6 and bool(account)
