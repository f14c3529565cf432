"""The course image and the dev container, judged without Docker: what their files say, and their steps replayed."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from lab_helpers.cli.main import cli
from tests.environment.servers import answers, serving

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / "environment" / "image"
DESK = ROOT / "environment" / "devcontainer"
LIMIT = 2_000_000_000
BASE_IMAGE = 150_000_000
"""python:3.12-slim, unpacked."""
posix = pytest.mark.skipif(os.name != "posix", reason="containers run Linux; their scripts need bash")


class Instruction(NamedTuple):
    """One line of a Dockerfile, continuations joined."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The exec form's words, or the shell form's."""
        if self.text.startswith("["):
            found: list[str] = json.loads(self.text)
            return found
        return shlex.split(self.text)


def dockerfile() -> list[Instruction]:
    text = (IMAGE / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in joined]


def named(name: str) -> list[Instruction]:
    return [item for item in dockerfile() if item.name == name]


def copied() -> list[tuple[str, str]]:
    """Source and destination of everything the image takes from the repository."""
    pairs = []
    for item in named("COPY"):
        words = [word for word in item.words if not word.startswith("--")]
        *sources, target = words
        pairs += [(source, f"{target}/{source}" if target.endswith("/") else target) for source in sources]
    return pairs


def test_the_base_is_pinned_and_small() -> None:
    assert len(named("FROM")) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", named("FROM")[0].text)


def test_instructions_are_those_of_a_dockerfile_and_no_more_than_needed() -> None:
    known = {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "ARG", "USER", "EXPOSE", "VOLUME", "HEALTHCHECK", "ENTRYPOINT"}
    assert {item.name for item in dockerfile()} <= known | {"CMD"}
    assert all(len(named(name)) == 1 for name in ("HEALTHCHECK", "ENTRYPOINT", "CMD", "USER"))


def test_it_runs_as_a_user_who_is_not_root() -> None:
    names = [item.name for item in dockerfile()]
    assert named("USER")[0].text == "1000"
    assert "RUN" not in names[names.index("USER") :]
    assert f"--uid {named('USER')[0].text} " in " ".join(item.text for item in named("RUN"))
    assert all("--chown=1000:1000" in item.words for item in named("COPY"))


def ignored(path: str) -> bool:
    """The last pattern of the ignore file that fits decides."""
    verdict = False
    for line in (IMAGE / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern, keep = line.removeprefix("!"), line.startswith("!")
        parts = [path, *map(str, Path(path).parents)]
        fits = pattern == "*" or any(fnmatch.fnmatch(part, pattern.removeprefix("**/")) for part in parts)
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatch(part, pattern.removeprefix("**/")) for part in Path(path).parts)
        if fits:
            verdict = not keep
    return verdict


def test_what_is_copied_is_there_and_not_ignored() -> None:
    for source, _ in copied():
        assert (ROOT / source).exists(), source
        assert not ignored(source), f"{source} is left out by the ignore file"


def test_what_the_package_is_built_of_is_copied_before_it_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    names = [item.name if item.name != "RUN" else item.text for item in dockerfile()]
    before = dockerfile()[: names.index("python -m pip install --editable .")]
    sources = {word for item in before if item.name == "COPY" for word in item.words}
    assert {*wheel["packages"], *wheel["force-include"], "pyproject.toml", project["project"]["readme"]} <= sources


@pytest.mark.parametrize("path", [".git/config", ".venv/bin/python", "tests/conftest.py", "lab_helpers/__pycache__/a"])
def test_what_is_not_needed_stays_outside(path: str) -> None:
    assert ignored(path)


def test_the_health_check_asks_the_port_that_is_served() -> None:
    port = named("EXPOSE")[0].text
    assert f":{port}/api" in named("HEALTHCHECK")[0].text
    assert f"--port={port}" in named("CMD")[0].words


def place(folder: Path) -> Path:
    """Copy into ``folder`` what the image has."""
    for source, target in copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / source, folder / target)
    return folder


def test_what_is_copied_is_enough_for_the_course(tmp_path: Path) -> None:
    course = place(tmp_path / "course")
    script = (
        "from lab_helpers.course.catalogue import lab_folders, labs_folder, notebook\n"
        "import lab_helpers, lab_helpers.course.sessions, lab_helpers.twin.assembly\n"
        "print(lab_helpers.__file__); print(*[notebook(lab).name for lab in lab_folders()])\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CILIUM_LABS")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=course, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    where, names = done.stdout.splitlines()
    assert Path(where).is_relative_to(course.resolve())
    opened = next(word for word in named("CMD")[0].words if "default_url" in word)
    assert opened.endswith(names.split()[0])
    assert (course / "labs" / opened.partition("/lab/tree/")[2]).is_file()


@posix
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_image_is_built_and_healthy(tmp_path: Path) -> None:
    """Its Python steps replayed in a virtual environment: needs a package index, takes minutes."""
    course, venv, state = place(tmp_path / "course"), tmp_path / "venv", tmp_path / "state"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PIP_NO_CACHE_DIR": "1",
        "CILIUM_LABS_HOME": str(state),
    }
    for item in named("RUN"):
        if item.text.startswith("python "):
            subprocess.run(["bash", "-c", item.text], cwd=course, env=environment, check=True)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink())
    assert size + BASE_IMAGE < LIMIT, f"{size / 1e6:.0f} MB"
    command = [word for word in named("CMD")[0].words if not word.startswith(("--port", "--ip"))]
    with serving([*named("ENTRYPOINT")[0].words, *command], cwd=course, environment=environment) as address:
        check = json.loads(named("HEALTHCHECK")[0].text.partition("CMD ")[2])
        healthy = [word.replace("8888", address.rpartition(":")[2]) for word in check]
        assert subprocess.run(healthy, env=environment, check=False).returncode == 0
        assert answers(f"{address}/lab/tree/00-start-here/00-start-here.ipynb?token=t")
    subprocess.run(["cilium-labs", "down"], cwd=course, env=environment, check=True)


# --- the dev container ------------------------------------------------------------------------------------------------


def devcontainer() -> dict[str, Any]:
    """Codespaces looks for .devcontainer/devcontainer.json, .devcontainer.json and .devcontainer/NAME/, only there."""
    document: dict[str, Any] = json.loads((ROOT / ".devcontainer.json").read_text(encoding="utf-8"))
    return document


def test_codespaces_finds_one_configuration_with_docker_inside() -> None:
    document = devcontainer()
    assert not (ROOT / ".devcontainer").exists(), "it would take the place of .devcontainer.json"
    assert re.fullmatch(r"mcr\.microsoft\.com/devcontainers/python:\d+-3\.1[1-4]-bookworm", document["image"])
    assert list(document["features"]) == ["ghcr.io/devcontainers/features/docker-in-docker:2"]
    assert set(document) == {
        "name",
        "image",
        "features",
        "hostRequirements",
        "postCreateCommand",
        "postStartCommand",
        "remoteEnv",
        "forwardPorts",
        "portsAttributes",
        "customizations",
    }


def test_what_it_names_is_there() -> None:
    document = devcontainer()
    opened = document["customizations"]["codespaces"]["openFiles"]
    settings = document["remoteEnv"]["JUPYTER_CONFIG_PATH"].removeprefix("${containerWorkspaceFolder}/")
    for path in (*opened, settings, *(document[key].split()[1] for key in ("postCreateCommand", "postStartCommand"))):
        assert (ROOT / path).exists(), path
    server = json.loads((ROOT / settings / "jupyter_server_config.json").read_text(encoding="utf-8"))["ServerApp"]
    assert re.match(server["allow_origin_pat"], "https://silver-disco-x5-8888.app.github.dev")
    for other in ("https://evil.example/.app.github.dev", "https://a-8888.app.github.dev.evil.example"):
        assert not re.match(server["allow_origin_pat"], other)


RECORD = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$RECORD"
case "$*" in *"$FAILING"*) exit 1 ;; esac
"""


@posix
@pytest.mark.parametrize(
    ("script", "failing", "commands"),
    [
        ("create.sh", "nothing", ["run doctor", "run tools install"]),
        ("create.sh", "tools install", ["run doctor", "run tools install"]),
        ("start.sh", "nothing", ["run status"]),
        ("start.sh", "run status", ["run status", "run up"]),
        ("start.sh", "sysctl", ["run status"]),
    ],
)
def test_its_scripts_run_commands_that_exist(script: str, failing: str, commands: list[str], tmp_path: Path) -> None:
    for name in ("python3", "sudo"):
        (tmp_path / name).write_text(RECORD, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    record = tmp_path / "record"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "RECORD": str(record), "FAILING": failing}
    done = subprocess.run(["bash", str(DESK / script)], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = record.read_text(encoding="utf-8").splitlines()
    started = [line.removeprefix("python3 ") for line in lines if line.startswith("python3 ")]
    assert started == [f"environment/bootstrap.py {command}" for command in commands]
    for command in commands:
        found: click.Command | None = cli
        for word in command.split()[1:]:
            assert isinstance(found, click.Group)
            found = found.get_command(click.Context(found), word)
            assert found is not None, command
