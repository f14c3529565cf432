"""Tools from a publisher on loopback: verified, locked, resumed, and refused in every way that is known."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from publishers import Publisher, tar_gz

from lab_helpers.clusters.tools import Installer, Platform, ToolError, fetching
from lab_helpers.clusters.tools.errors import FetchError, UnsafeArchive, WrongSum

KIND = "/kind-linux-amd64"


def leftovers(installer: Installer) -> list[str]:
    return sorted(path.name for path in installer.folder.rglob("*") if path.is_file())


def test_a_program_is_fetched_verified_and_recorded(installer: Installer, publisher: Publisher) -> None:
    told: list[tuple[str, int, int | None]] = []
    report = dataclasses.replace(installer, progress=lambda *told_: told.append(told_)).install("kind")
    assert report.how == "installed"
    assert report.path.read_bytes() == publisher.files[KIND]
    if os.name == "posix":
        assert stat.S_IMODE(report.path.stat().st_mode) == 0o755
    assert told[-1] == ("kind", len(publisher.files[KIND]), len(publisher.files[KIND]))
    assert json.loads(installer.lock.own.read_text(encoding="utf-8")) == {
        "kind 1.0 linux-amd64": {"download": report.sum, "program": report.sum}
    }
    assert leftovers(installer) == ["kind", "kind-linux-amd64.sha256", "lock.json"]


def test_a_second_installation_asks_nobody(installer: Installer, publisher: Publisher) -> None:
    installer.install("kind")
    publisher.requests.clear()
    assert installer.install("kind").how == "there already"
    assert publisher.requests == []


def test_a_damaged_program_is_installed_again(installer: Installer) -> None:
    path = installer.install("kind").path
    path.write_bytes(b"damaged")
    assert installer.install("kind").how == "installed"
    assert path.read_bytes().startswith(b"#!/bin/sh")


@pytest.mark.parametrize("platform", ["linux-amd64", "windows-amd64"])
def test_archives_are_unpacked(installer: Installer, platform: str) -> None:
    there = dataclasses.replace(installer, platform=Platform.parse(platform))
    path = there.install("helm").path
    assert path.name == ("helm.exe" if platform.startswith("windows") else "helm")
    assert path.read_bytes().startswith(b"#!/bin/sh")


def test_what_nobody_publishes_is_said(installer: Installer) -> None:
    there = dataclasses.replace(installer, platform=Platform("windows", "amd64"))
    with pytest.raises(ToolError, match="kind is not published for windows-amd64"):
        there.install("kind")


def test_a_truncated_download_goes_on_where_it_stopped(installer: Installer, publisher: Publisher) -> None:
    publisher.cut[KIND] = [100_000, 200_000]
    assert installer.install("kind").how == "installed"
    assert [wanted for path, wanted in publisher.requests if path == KIND] == ["", "bytes=100000-", "bytes=300000-"]


def test_a_server_without_ranges_starts_over(installer: Installer, publisher: Publisher) -> None:
    publisher.ranges = False
    publisher.cut[KIND] = [100_000]
    assert installer.install("kind").how == "installed"


@pytest.fixture
def impatient(installer: Installer, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Installer:
    """It gives up after 0.05 s of silence, which begin when the publisher has sent what it will ever send."""
    really = fetching._open

    def opened(url: str, headers: dict[str, str], _timeout: float) -> Any:
        answer = really(url, headers, 120.0)
        if any(url.endswith(path) for path in publisher.stall):
            assert publisher.stalled.acquire(timeout=120)
            answer.fp.raw._sock.settimeout(0.05)
        return answer

    monkeypatch.setattr(fetching, "_open", opened)
    return dataclasses.replace(installer, timeout=0.05)


def test_a_slow_server_is_given_up_and_continued_by_the_next_command(
    installer: Installer, impatient: Installer, publisher: Publisher
) -> None:
    publisher.stall[KIND] = 50_000
    with pytest.raises(FetchError, match=r"nothing came for 0\.05 s[\s\S]*goes on where this one stopped"):
        impatient.install("kind")
    kept = (installer.folder / "downloads" / "kind-linux-amd64.part").stat().st_size
    assert kept >= 50_000
    assert installer.installed("kind") is None
    publisher.stall.clear()
    publisher.requests.clear()
    installer.install("kind")
    assert (KIND, f"bytes={kept}-") in publisher.requests


def test_two_versions_are_never_joined(installer: Installer, impatient: Installer, publisher: Publisher) -> None:
    publisher.stall[KIND] = 50_000
    with pytest.raises(FetchError):
        impatient.install("kind")
    publisher.stall.clear()
    publisher.publish(KIND, b"another build" * 10_000)
    assert installer.install("kind").path.read_bytes() == publisher.files[KIND]


def test_a_wrong_sum_is_refused_and_not_kept(installer: Installer, publisher: Publisher) -> None:
    publisher.files[KIND] += b"and something more"
    with pytest.raises(WrongSum, match="not what its publisher made"):
        installer.install("kind")
    assert leftovers(installer) == []
    assert installer.lock.find("kind 1.0 linux-amd64") is None


def test_a_changed_sum_is_refused_before_anything_is_downloaded(
    installer: Installer, publisher: Publisher, tmp_path: Path
) -> None:
    installer.install("kind").path.unlink()
    publisher.publish(KIND, b"a release that was replaced")
    publisher.requests.clear()
    with pytest.raises(WrongSum, match="not the one that was seen before"):
        installer.install("kind")
    assert [path for path, _ in publisher.requests] == [KIND + ".sha256sum"]


def test_the_shipped_lock_counts_first(installer: Installer, publisher: Publisher, tmp_path: Path) -> None:
    shipped = tmp_path / "shipped.json"
    shipped.write_text(json.dumps({"kind 1.0 linux-amd64": {"download": "0" * 64, "program": "0" * 64}}), "utf-8")
    installer.lock.shipped = shipped
    with pytest.raises(WrongSum, match=r"shipped\.json"):
        installer.install("kind")


def test_a_torn_lock_is_no_empty_lock(installer: Installer) -> None:
    installer.lock.own.parent.mkdir(parents=True)
    installer.lock.own.write_text('{"kind', encoding="utf-8")
    with pytest.raises(ToolError, match="the lock cannot be read"):
        installer.install("kind")


def test_a_program_that_is_not_the_recorded_one_is_refused(installer: Installer) -> None:
    installer.install("kind")
    entries = json.loads(installer.lock.own.read_text(encoding="utf-8"))
    for entry in entries.values():
        entry["program"] = "0" * 64
    installer.lock.own.write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(WrongSum, match="is not the recorded one"):
        installer.install("kind")


def test_a_missing_release_is_not_tried_again(installer: Installer, publisher: Publisher) -> None:
    del publisher.files[KIND]
    with pytest.raises(FetchError, match=r"404[\s\S]*environment/tools\.toml"):
        installer.install("kind")
    assert [path for path, _ in publisher.requests].count(KIND) == 1


def test_a_busy_server_is_asked_again(installer: Installer, publisher: Publisher) -> None:
    publisher.refuse[KIND] = [503, 503]
    assert installer.install("kind").how == "installed"


def test_a_page_in_place_of_the_sums(installer: Installer, publisher: Publisher) -> None:
    publisher.files[KIND + ".sha256sum"] = b"<html>please log in</html>"
    with pytest.raises(ToolError, match="no SHA-256 of kind-linux-amd64"):
        installer.install("kind")


def test_nobody_listens(installer: Installer) -> None:
    there = dataclasses.replace(installer, mirror="http://127.0.0.1:9")
    with pytest.raises(FetchError, match="the download failed"):
        there.install("kind")


def test_a_mirror_keeps_the_publishers_host_in_the_path(
    installer: Installer, publisher: Publisher, tmp_path: Path
) -> None:
    host = publisher.address.removeprefix("http://")
    for name in (KIND, KIND + ".sha256sum"):
        publisher.files[f"/get/{host}{name}"] = publisher.files.pop(name)
    there = dataclasses.replace(installer, mirror=publisher.address + "/get/")
    assert there.install("kind").how == "installed"
    assert {path for path, _ in publisher.requests} == {f"/get/{host}{KIND}", f"/get/{host}{KIND}.sha256sum"}


def test_a_mirror_that_is_no_address_is_said_to_be_none() -> None:
    with pytest.raises(FetchError, match=r"not an HTTP address: mirror/github\.com/x") as failed:
        fetching.fetch_text("mirror/github.com/x")
    assert "CILIUM_LABS_MIRROR=https://" in failed.value.try_


def test_a_bundle_needs_no_network(installer: Installer, publisher: Publisher, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    for name in installer.catalogue.tools:
        installer.download(installer.catalogue.tools[name].asset(installer.platform), bundle / "tools")
    publisher.files.clear()
    publisher.requests.clear()
    there = dataclasses.replace(installer, bundle=bundle, folder=tmp_path / "elsewhere")
    assert [there.install(name).how for name in there.catalogue.tools] == ["installed", "installed"]
    assert publisher.requests == []
    with pytest.raises(FetchError, match="the bundle has no helm"):
        dataclasses.replace(there, platform=Platform("windows", "amd64")).install("helm")


def test_a_hostile_archive_writes_nothing(installer: Installer, publisher: Publisher, tmp_path: Path) -> None:
    hostile = tar_gz(**{"linux-amd64/helm": b"fine", "../../escaped": b"not fine"})
    publisher.publish("/helm-linux-amd64.tar.gz", hostile)
    with pytest.raises(UnsafeArchive, match="escaped"):
        installer.install("helm")
    assert installer.installed("helm") is None
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_full_disk_is_said(installer: Installer, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = installer.folder / "kind"
    installer.folder.mkdir(parents=True)
    blocked.write_text("in the way", encoding="utf-8")
    with pytest.raises(ToolError, match="cannot write"):
        installer.install("kind")


def test_a_server_that_is_only_slow_is_waited_for(installer: Installer, publisher: Publisher) -> None:
    publisher.cut[KIND] = [50_000] * 12
    assert installer.install("kind").how == "installed"
