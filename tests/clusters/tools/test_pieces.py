"""The catalogue, files of sums, archives, bundles, and which program is which."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from lab_helpers.clusters.homes import Home
from lab_helpers.clusters.tools import Platform, ToolError, link_tools, load_catalogue, this_platform
from lab_helpers.clusters.tools.bundles import open_bundle
from lab_helpers.clusters.tools.checksums import parse_checksums
from lab_helpers.clusters.tools.errors import UnsafeArchive
from lab_helpers.clusters.tools.linking import find_tool
from lab_helpers.clusters.tools.unpacking import extract_member
from lab_helpers.tools.charts import OutOfScopeError, find_chart

SUM = "ab" * 32
PLATFORMS = [Platform(system, arch) for system in ("linux", "darwin", "windows") for arch in ("amd64", "arm64")]


def test_the_courses_own_catalogue() -> None:
    catalogue = load_catalogue(environ={})
    assert list(catalogue.tools) == ["kind", "kubectl", "helm", "cilium", "hubble"]
    assert catalogue.node_image.startswith("kindest/node:v1.34.")
    for tool in catalogue.tools.values():
        for platform in (p for p in PLATFORMS if (tool.name, str(p)) != ("kind", "windows-arm64")):
            asset = tool.asset(platform)
            assert asset.url.startswith("https://")
            assert asset.checksums.startswith(asset.url)
            assert "{" not in asset.url + asset.checksums + asset.member
            assert asset.member == "" or asset.member.endswith(platform.exe)


@pytest.mark.parametrize(
    ("tool", "platform", "url"),
    [
        ("kind", "linux-arm64", "https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/kind-linux-arm64"),
        ("kubectl", "windows-amd64", "https://dl.k8s.io/release/v1.34.11/bin/windows/amd64/kubectl.exe"),
        ("helm", "windows-arm64", "https://get.helm.sh/helm-v3.19.3-windows-arm64.zip"),
        (
            "cilium",
            "darwin-arm64",
            "https://github.com/cilium/cilium-cli/releases/download/v0.19.7/cilium-darwin-arm64.tar.gz",
        ),
        (
            "hubble",
            "windows-amd64",
            "https://github.com/cilium/hubble/releases/download/v1.19.4/hubble-windows-amd64.tar.gz",
        ),
    ],
)
def test_publishers_addresses(tool: str, platform: str, url: str) -> None:
    assert load_catalogue(environ={}).tool(tool).asset(Platform.parse(platform)).url == url


def test_versions_by_variable() -> None:
    environ = {
        "CILIUM_LABS_KIND_VERSION": "v0.32.0",
        "CILIUM_LABS_CILIUM_VERSION": "1.19.8",
        "CILIUM_LABS_KIND_IMAGE": "kindest/node:v1.33.0",
    }
    catalogue = load_catalogue(environ=environ)
    assert catalogue.tool("kind").version == "0.32.0"
    assert catalogue.tool("cilium").version == "0.19.7", "that variable names the release in the cluster"
    assert catalogue.node_image == "kindest/node:v1.33.0"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[tools.kind]\nversion = '1'\n", "no field checksums"),
        ("[tools.kind]\nversion='1'\nurl='u'\nchecksums='c'\nplatforms=[]\nsum='x'\n", "unknown field sum"),
        ("[tools", "cannot be read"),
    ],
)
def test_a_wrong_catalogue_is_named(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "tools.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ToolError, match=error):
        load_catalogue(tmp_path / "tools.toml", {})


@pytest.mark.parametrize(
    "text",
    [SUM, SUM + "\n", f"{SUM}  kind\n", f"{SUM.upper()} *bin/kind\n", f"{'cd' * 32}  other\n{SUM}  kind\n"],
)
def test_files_of_sums(text: str) -> None:
    assert parse_checksums(text, "kind") == SUM


@pytest.mark.parametrize("text", ["", "ab" * 20, f"{SUM}  other\n", f"{SUM}\n{SUM}\n", "<html>"])
def test_files_that_say_nothing_of_it(text: str) -> None:
    with pytest.raises(ToolError, match="no SHA-256 of kind"):
        parse_checksums(text, "kind")


def _tar(path: Path, *entries: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for entry in entries:
            entry.size = 2 if entry.isfile() else 0
            tar.addfile(entry, io.BytesIO(b"ok") if entry.isfile() else None)
    return path


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:\\x", "..\\x", "\\\\server\\x"])
def test_names_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    archive = _tar(tmp_path / "a.tar.gz", _entry(name), _entry("tool"))
    with pytest.raises(UnsafeArchive):
        extract_member(archive, "tool", tmp_path / "out")
    pack = tmp_path / "a.zip"
    with zipfile.ZipFile(pack, "w") as stream:
        stream.writestr("tool", "ok")
        stream.writestr(zipfile.ZipInfo(name), "ok")
    with pytest.raises(UnsafeArchive):
        extract_member(pack, "tool", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "a.zip"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_the_program_is_a_plain_file(tmp_path: Path, kind: bytes) -> None:
    archive = _tar(tmp_path / "a.tar.gz", _entry("tool", kind, "/etc/passwd"))
    with pytest.raises((UnsafeArchive, ToolError)):
        extract_member(archive, "tool", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_torn_archive(tmp_path: Path) -> None:
    whole = _tar(tmp_path / "a.tar.gz", _entry("tool")).read_bytes()
    (tmp_path / "b.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ToolError, match="cannot be unpacked"):
        extract_member(tmp_path / "b.tar.gz", "tool", tmp_path / "out")


def test_a_bundle_as_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder / "tools").mkdir(parents=True)
    (folder / "bundle.json").write_text('{"format": 1}', encoding="utf-8")
    (folder / "tools" / "kind").write_text("kind", encoding="utf-8")
    archive = tmp_path / "bundle.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, arcname=".")
    opened = open_bundle(archive, tmp_path / "cache")
    assert (opened / "tools" / "kind").read_text(encoding="utf-8") == "kind"
    (opened / "kept").write_text("", encoding="utf-8")
    assert (open_bundle(archive, tmp_path / "cache") / "kept").exists(), "unpacked only once"
    assert open_bundle(folder, tmp_path / "unused") == folder


@pytest.mark.parametrize("make", ["missing", "file", "folder"])
def test_what_is_no_bundle(tmp_path: Path, make: str) -> None:
    path = tmp_path / "bundle"
    if make == "file":
        path.write_bytes(b"no archive")
    if make == "folder":
        path.mkdir()
    with pytest.raises(ToolError):
        open_bundle(path, tmp_path / "cache")


@pytest.mark.skipif(os.name == "nt", reason="links are .cmd files there")
def test_real_programs_win_on_a_real_cluster(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    tool = load_catalogue(environ={}).tool("helm")
    installed = home.tools / "helm" / tool.version / "helm"
    installed.parent.mkdir(parents=True)
    installed.write_text("#!/bin/sh\n", encoding="utf-8")
    system = tmp_path / "system"
    system.mkdir()
    for name in ("kubectl", "helm"):
        (system / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (system / name).chmod(0o755)
    environ = {"PATH": f"{home.bin}{os.pathsep}{system}"}
    origins = {"kubectl": "system", "helm": "installed", "cilium": "bundled", "hubble": "bundled"}
    assert link_tools(home, environ) == origins
    assert sorted(path.name for path in home.bin.iterdir()) == ["cilium", "cilium-labs", "helm", "hubble"]
    assert (home.bin / "helm").resolve() == installed.resolve()
    assert find_tool(home, "kubectl", environ) == str(system / "kubectl")
    assert set(link_tools(home, {**environ, "CILIUM_LABS_TOOLS": "bundled"}).values()) == {"bundled"}
    assert not (home.bin / "helm").is_symlink()
    assert (installed).read_text(encoding="utf-8") == "#!/bin/sh\n", "our launcher never replaces what it linked to"


def test_this_machine_is_known() -> None:
    assert str(this_platform()).split("-")[0] in {"linux", "darwin", "windows"}
    assert sys.version_info >= (3, 11)


@pytest.mark.parametrize("backend", ["kind", "existing"])
def test_the_twins_chart_is_not_for_real_clusters(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:

    assert find_chart("cilium") is not None
    monkeypatch.setenv("CILIUM_LABS_BACKEND", backend)
    with pytest.raises(OutOfScopeError, match="cilium-labs tools install helm cilium"):
        find_chart("cilium")
