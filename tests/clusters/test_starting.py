"""What keeps a twin from starting is one message with a cure; a second one leaves the first alone."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from lab_helpers.clusters import AlreadyRunning, ClusterError, Home, StartFailed, start_twin, twins
from lab_helpers.clusters.clients import client_of
from lab_helpers.twin.locking import hold
from lab_helpers.twin.objects.storage import Key, Storage, StorageError


class Usage(NamedTuple):
    """As ``shutil.disk_usage`` gives it."""

    total: int
    used: int
    free: int


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "ein Ordner mit ü").prepare()


def state(home: Home) -> Path:
    return home.twin / "state.db"


def test_a_full_disk_is_said_before_anything_is_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100_000_000, 99_000_000, 1_000_000))
    with pytest.raises(StartFailed, match=r"1\.0 MB are free") as failed:
        start_twin(home)
    assert "CILIUM_LABS_HOME" in failed.value.try_
    assert not any(home.twin.iterdir())


def test_a_damaged_state_is_not_a_traceback(home: Home) -> None:
    state(home).write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(StartFailed, match="is damaged: file is not a database\n") as failed:
        twins.start(home)
    assert "cilium-labs reset" in failed.value.try_
    assert state(home).read_bytes().startswith(b"this is no database")


def test_a_port_in_use(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartFailed, match=f"^cannot listen on 127.0.0.1:{port}: .*\n") as failed:
            twins.start(home, port=port)
    assert "--port" in failed.value.try_


def test_two_at_the_same_moment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second says so at once when the first has the home but has not said yet where it is."""
    monkeypatch.setattr(twins, "_PATIENCE", 0.1)
    log = home.twin / "twin.log"
    log.write_text("of the first\n", encoding="utf-8")
    with hold(home.twin):
        with pytest.raises(AlreadyRunning, match="running already"):
            twins.start(home)
        with pytest.raises(AlreadyRunning):
            twins.wipe(home)
        with pytest.raises(ClusterError, match="does not say which process"):
            twins.stop(home, timeout=0.1)
    assert log.read_text(encoding="utf-8") == "of the first\n"


def test_wiping_keeps_only_the_lock(home: Home) -> None:
    for name in ("state.db", "state.db-wal", "token", "twin.lock"):
        (home.twin / name).touch()
    twins.wipe(home)
    assert [path.name for path in home.twin.iterdir()] == ["twin.lock"]


@pytest.mark.parametrize("body", ["{", b"\xff\xfe"], ids=["no JSON", "no UTF-8"])
def test_a_damaged_object_is_found_while_opening(tmp_path: Path, body: str | bytes) -> None:
    path = tmp_path / "state.db"
    storage = Storage(path)
    storage.put(Key("pods", "default", "one"), {"metadata": {"name": "one"}})
    storage.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE objects SET body = CAST(? AS TEXT)", (body,))
    database.close()
    with pytest.raises(StorageError, match="is damaged") as failed:
        Storage(path)
    assert "cilium-labs reset" in failed.value.cure


def test_a_state_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    Storage(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="format 99, written by a newer cilium-labs"):
        Storage(path)
    assert path.read_bytes() == before


def test_a_state_from_before_formats_were_numbered_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    storage = Storage(path)
    storage.set_fact("one", "1")
    storage.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=0")
    database.close()
    storage = Storage(path)
    assert storage.fact("one") == "1"
    storage.close()


@pytest.mark.parametrize(
    ("server", "proxied"),
    [
        ("https://127.0.0.1:6443", False),
        ("https://localhost:6443", False),
        ("https://[::1]:6443", False),
        ("https://cluster.example:6443", True),
    ],
)
def test_a_proxy_is_not_asked_for_this_machine(
    server: str, proxied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "kubeconfig"
    config.write_text(
        "{apiVersion: v1, kind: Config, current-context: a, users: [], contexts: [{name: a, context: {cluster: a}}], "
        f"clusters: [{{name: a, cluster: {{server: '{server}'}}}}]}}",
        encoding="utf-8",
    )
    with client_of(config) as api:
        assert bool(api.configuration.proxy) is proxied


@pytest.mark.skipif(sys.platform == "win32", reason="the twin's Relay has no socket there")
def test_shells_reach_the_twin_past_a_proxy(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from lab_helpers.clusters import Cluster

    twin = Cluster("twin", "cilium-labs", home.path, home.twin / "kubeconfig")
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert "NO_PROXY" not in twin.environment()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert twin.environment()["NO_PROXY"] == "example.com,127.0.0.1,localhost"
