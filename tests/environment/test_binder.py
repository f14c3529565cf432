"""Binder: repo2docker's rules, and its steps replayed in an empty home directory.

The rules followed here (repo2docker's BuildPack, CondaBuildPack and PythonBuildPack): where a folder ``binder`` exists
nothing in the root counts, pyproject.toml neither; a kind of project is recognised by files in a fixed order, a
Dockerfile first; ``requirements.txt`` with a path is installed in the root after the repository was copied;
``postBuild`` runs there once; ``start`` gets Jupyter's command as its arguments; all of it as a user who is not root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment.servers import answers, serving

ROOT = Path(__file__).resolve().parents[2]
BINDER = ROOT / "binder"
LIMIT = 2_000_000_000
BASE_IMAGE = 900_000_000
"""Ubuntu with repo2docker's conda environment for notebooks, generously."""
TAKES_PRECEDENCE = (
    "Dockerfile",
    "Project.toml",
    "JuliaProject.toml",
    "REQUIRE",
    "default.nix",
    "install.R",
    "environment.yml",
    "environment.yaml",
    "Pipfile",
    "Pipfile.lock",
)
BADGE = re.compile(r"https://mybinder\.org/v2/gh/\S+?\?urlpath=([\w%/.-]+)")

posix = pytest.mark.skipif(os.name != "posix", reason="repo2docker builds Linux images; its scripts need bash")


def test_only_the_python_build_pack_fits() -> None:
    assert not (ROOT / ".binder").exists(), "binder and .binder exclude each other"
    assert sorted(path.name for path in BINDER.iterdir()) == ["postBuild", "requirements.txt", "runtime.txt", "start"]
    assert not [name for name in TAKES_PRECEDENCE if (BINDER / name).exists()]


def test_the_python_is_one_the_project_and_repo2docker_support() -> None:
    version = re.fullmatch(r"python-3\.(\d+)", (BINDER / "runtime.txt").read_text(encoding="utf-8").strip())
    assert version
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert int(oldest.rpartition(".")[2]) <= int(version[1]) <= 14


def test_the_project_is_installed_from_the_root_after_it_was_copied() -> None:
    lines = (BINDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["-e ."]


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_are_scripts(name: str) -> None:
    data = (BINDER / name).read_bytes()
    assert data.startswith(b"#!/usr/bin/env bash\n")
    assert b"\r" not in data
    assert b"sudo" not in data
    assert b"apt" not in data.replace(b"adapt", b"")
    if os.name == "posix":
        assert os.access(BINDER / name, os.X_OK)


def test_the_badge_opens_lab_00() -> None:
    found = BADGE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found, "the README has no Binder badge"
    path = found[1].replace("%2F", "/")
    assert path.startswith("lab/tree/")
    assert (ROOT / path.removeprefix("lab/tree/")).is_file()


JUPYTER = """#!/usr/bin/env bash
echo "arguments: $*"
echo "settings: $JUPYTER_CONFIG_PATH"
kubectl get nodes --output name || true
"""


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a container that has just started: an empty home directory and a PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "jupyter").write_text(JUPYTER, encoding="utf-8")
    (programs / "jupyter").chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    environment = {"HOME": str(home), "PATH": path, "USER": "jovyan", "LANG": "C.UTF-8"}
    yield environment
    subprocess.run(["cilium-labs", "down"], env=environment, capture_output=True, check=False)


def start(environment: dict[str, str], where: Path) -> str:
    done = subprocess.run(
        [str(BINDER / "start"), "jupyter", "lab", "--ip", "0.0.0.0"],
        cwd=where,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@posix
def test_start_brings_up_the_twin_and_hands_over(visitor: dict[str, str], tmp_path: Path) -> None:
    said = start(visitor, tmp_path)
    assert "twin cluster cilium-labs is up" in said
    assert "arguments: lab --ip 0.0.0.0" in said
    assert f"settings: {ROOT / 'lab_helpers' / 'cli' / 'desk'}" in said
    nodes = [line for line in said.splitlines() if line.startswith("node/")]
    assert len(nodes) >= 2

    again = start(visitor, ROOT)
    assert "is up" not in again, "a container that is woken up keeps its twin"
    assert [line for line in again.splitlines() if line.startswith("node/")] == nodes


@posix
def test_without_a_cluster_jupyter_starts_all_the_same(visitor: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("", encoding="utf-8")
    said = start({**visitor, "CILIUM_LABS_HOME": str(tmp_path / "a-file")}, tmp_path)
    assert "error: the state folder cannot be used" in said
    assert "arguments: lab" in said


@posix
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_image_is_built_and_opens(tmp_path: Path) -> None:
    """Everything repo2docker does with this repository but the base image: needs a package index, takes minutes."""
    home, venv = tmp_path / "home", tmp_path / "venv"
    files = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True).stdout
    for name in filter(None, files.decode().split("\0")):
        if (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, home / name)
    environment = {"HOME": str(home), "PATH": f"{venv / 'bin'}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}

    def step(*command: str) -> str:
        done = subprocess.run(
            command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    step(str(venv / "bin" / "pip"), "install", "--no-cache-dir", "-r", "binder/requirements.txt")
    step("./binder/postBuild")
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink())
    assert size + BASE_IMAGE < LIMIT, f"{size / 1e6:.0f} MB"
    with serving(["./binder/start", "jupyter", "lab", "--no-browser"], cwd=home, environment=environment) as address:
        assert answers(f"{address}/lab/tree/labs/00-start-here/00-start-here.ipynb?token=t")
        assert "node/" in step("bash", "-c", 'eval "$(cilium-labs env)"; kubectl get nodes -o name')
    step("cilium-labs", "down")
