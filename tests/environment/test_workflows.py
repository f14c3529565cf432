"""GitHub's workflows: of the published form, with pinned actions, and with commands that exist."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from ruamel.yaml import YAML

from lab_helpers.cli.main import cli
from lab_helpers.clusters.twins import DEFAULT_CILIUM_VERSION
from lab_helpers.course.catalogue import lab_folders
from lab_helpers.course.limitations import undecidable

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
EVERYWHERE = {"eval", "mkdir", "test", "until"}
WITH_SUBCOMMANDS = {"ruff", "kubectl", "cilium"}
ON_A_CLUSTER = {"kubectl", "cilium"}
"""Programs of which the flags used here are those of the bundled ones, which print the real ones' help."""


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return document


def jobs() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for path in FILES:
        document = read(path)
        for name, job in document["jobs"].items():
            yield f"{path.name}:{name}", document, job


def runs() -> list[Any]:
    """Each command of each ``run`` step, with the matrix's first values put in."""
    found = []
    for name, _, job in jobs():
        matrix = job.get("strategy", {}).get("matrix", {})
        for step in job["steps"]:
            text = str(step.get("run", ""))
            for axis, values in matrix.items():
                text = text.replace("${{ matrix.%s }}" % axis, str(values[0]))  # noqa: UP031 - braces of the expression
            for line in text.splitlines():
                words = shlex.split(line)
                words = words[: words.index(">")] if ">" in words else words
                found.append(pytest.param(words, id=f"{name}: {' '.join(words)}"))
    return found


def test_both_are_there() -> None:
    assert [path.name for path in FILES] == ["ci.yml", "real.yml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("schema", ["vendor/github-workflows.json", "custom/github-workflows-require-timeout.json"])
def test_the_form_is_the_published_one(path: Path, schema: str) -> None:
    text = resources.files("check_jsonschema").joinpath("builtin_schemas", *schema.split("/")).read_text("utf-8")
    jsonschema.validate(read(path), json.loads(text))


def test_actions_are_pinned_and_say_which_version() -> None:
    for path in FILES:
        uses = re.findall(r"uses: (\S+)(.*)", path.read_text(encoding="utf-8"))
        assert uses
        for action, comment in uses:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_one_shell_for_all_systems() -> None:
    for name, document, _ in jobs():
        assert document["defaults"]["run"]["shell"] == "bash", name


def test_expressions_name_what_the_matrix_has() -> None:
    for name, _, job in jobs():
        used = set(re.findall(r"matrix\.(\w+)", json.dumps({**job, "strategy": {}})))
        assert used == set(job.get("strategy", {}).get("matrix", {})), name


def test_nothing_may_write_to_the_repository() -> None:
    for name, document, job in jobs():
        assert document["permissions"] == {"contents": "read"}, name
        assert "permissions" not in job, name


def test_ci_covers_three_systems_and_all_pythons() -> None:
    matrix = read(FOLDER / "ci.yml")["jobs"]["twin"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=" + matrix["python"][0]
    bootstrap = (ROOT / "environment" / "bootstrap.py").read_text(encoding="utf-8")
    assert f"NEWEST_TRIED = {matrix['python'][-1].partition('.')[2]}" in bootstrap


def test_real_covers_the_default_cilium_and_the_one_before() -> None:
    versions = read(FOLDER / "real.yml")["jobs"]["kind"]["strategy"]["matrix"]["cilium"]
    assert DEFAULT_CILIUM_VERSION in versions
    assert {tuple(version.split(".")[:2]) for version in versions} == {("1", "19"), ("1", "20")}


def test_each_lab_runs_on_the_default_cilium_and_those_of_any_version_on_the_other_too() -> None:
    steps = [step for step in read(FOLDER / "real.yml")["jobs"]["kind"]["steps"] if "labs run" in step.get("run", "")]
    chosen = {step["if"].rpartition(" && ")[2]: shlex.split(step["run"]) for step in steps}
    default, other = f"matrix.cilium == '{DEFAULT_CILIUM_VERSION}'", f"matrix.cilium != '{DEFAULT_CILIUM_VERSION}'"
    assert set(chosen) == {default, other}
    assert not [word for word in chosen[default] if word.isdigit()], "all of them"
    labs = [folder for folder in lab_folders(ROOT / "labs") if not undecidable(folder.name[:2], "kind")]
    free = [folder.name[:2] for folder in labs if not installs(folder)]
    assert [word for word in chosen[other] if word.isdigit()] == free


def installs(folder: Path) -> bool:
    """Does the lab install a version of Cilium by its own text?"""
    files = [*folder.glob("*.ipynb"), *folder.glob("tasks/*.yaml")]
    return any(re.search(r"helm .*cilium/cilium", file.read_text(encoding="utf-8")) for file in files)


def test_reports_are_kept_even_of_failures() -> None:
    for name, _, job in jobs():
        written = [step for step in job["steps"] if "reports" in str(step.get("run", ""))]
        kept = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
        assert bool(written) == bool(kept), name
        assert all(step["if"] == "always()" and step["with"]["path"] == "reports" for step in kept), name


@pytest.mark.parametrize("words", runs())
def test_commands_and_flags_exist(words: list[str]) -> None:
    program = words[0]
    if program == "cilium-labs":
        accepted_by_click(words[1:])
    elif program == "eval":
        inner = re.fullmatch(r"\$\((.*)\)", words[1])
        assert inner
        accepted_by_click(shlex.split(inner[1])[1:])
    elif program == "docker":
        in_docker(words[1:])
    elif program not in EVERYWHERE:
        named_by_help(words)
    for word in words[1:]:
        if re.match(r"(tests|labs|environment)/", word):
            assert (ROOT / word).exists(), word


def in_docker(words: list[str]) -> None:
    """The few subcommands used are Docker's; what is executed in the container is ours."""
    assert words[0] in {"build", "run", "exec"}
    if words[0] == "exec":
        assert words[2] == "cilium-labs"
        accepted_by_click(words[3:])
    for flag, value in itertools.pairwise(words):
        if flag == "--file":
            assert (ROOT / value).is_file()


def accepted_by_click(words: list[str]) -> None:
    """The command line parses; nothing is run."""
    command: click.Command = cli
    with click.Context(cli, info_name="cilium-labs") as context:
        while isinstance(command, click.Group):
            found = command.get_command(context, words[0])
            assert found is not None, f"there is no command {words[0]}"
            command, words = found, words[1:]
        with command.make_context(command.name, list(words)):
            pass


def named_by_help(words: list[str]) -> None:
    """The program has the subcommand, whose help names the flags."""
    depth = 4 if words[0] == "python" else 2 if words[0] in WITH_SUBCOMMANDS else 1
    base, flags = words[:depth], [word for word in words[depth:] if word.startswith("-")]
    text = help_of(*base) if flags or depth > 1 else ""
    for flag in flags:
        assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text), f"{' '.join(base)} knows no {flag}"


@cache
def help_of(*command: str) -> str:
    if command[0] == "python":
        command = (sys.executable, *command[1:])
    if command[0] in ON_A_CLUSTER:
        command = (sys.executable, "-m", f"lab_helpers.tools.{command[0]}", *command[1:])
    beside = str(Path(sys.executable).parent)
    found = shutil.which(command[0], path=beside) or shutil.which(command[0])
    assert found, f"{command[0]} is not installed with the tests"
    done = subprocess.run(
        [found, *command[1:], "--help"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
