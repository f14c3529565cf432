"""State folders: private, whole writes, clear refusals."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lab_helpers.clusters.errors import ClusterError, NotRunning
from lab_helpers.clusters.homes import Home, default_home, read_json, write_json


def test_home_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CILIUM_LABS_HOME", str(tmp_path / "a b"))
    assert default_home().path == tmp_path / "a b"


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX notion")
def test_folders_are_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (home.path, home.twin, home.bin)} == {0o700}


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way", encoding="utf-8")
    with pytest.raises(ClusterError, match="CILIUM_LABS_HOME"):
        Home(tmp_path / "home").prepare()


def test_choice_is_remembered_and_forgotten(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    assert home.chosen() is None
    home.choose(backend="existing", context="kind-kind")
    assert home.chosen() == {"backend": "existing", "context": "kind-kind"}
    home.forget()
    assert home.chosen() is None


def test_torn_file_is_no_choice(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    home.selection.write_text('{"backend": ', encoding="utf-8")
    assert home.chosen() is None


def test_refused_write_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "facts.json"
    write_json(target, {"a": 1})
    (tmp_path / "facts.part").mkdir()
    with pytest.raises((ClusterError, OSError)):
        write_json(target, {"a": 2})
    assert read_json(target) == {"a": 1}


def test_connect_without_a_cluster_says_what_to_do(tmp_path: Path) -> None:
    from lab_helpers.clusters import connect

    with pytest.raises(NotRunning, match="cilium-labs up"):
        connect(Home(tmp_path))


def test_stale_twin_is_not_running(tmp_path: Path) -> None:
    from lab_helpers.clusters import connect

    home = Home(tmp_path).prepare()
    home.choose(backend="twin")
    write_json(home.twin / "twin.json", {"pid": 2**22 + 12345, "server": "https://127.0.0.1:1"})
    with pytest.raises(NotRunning, match="state is kept"):
        connect(home)


def test_tools_that_cannot_be_written_are_a_cluster_error(tmp_path: Path) -> None:
    from lab_helpers.clusters.connecting import write_tools

    home = Home(tmp_path / "home").prepare()
    home.bin.rmdir()
    home.bin.write_text("in the way", encoding="utf-8")
    with pytest.raises(ClusterError, match="CILIUM_LABS_HOME"):
        write_tools(home)
