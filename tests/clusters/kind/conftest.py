"""A machine whose docker, kind and helm are stand-ins, and whose API server is a real one: a twin's."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab_helpers.clusters import Cluster, Home, start_twin, twins
from lab_helpers.clusters.kind import KindCluster, commands, engines, preflights, removing
from lab_helpers.clusters.kind.steps import Lines

PROGRAMS = ("docker", "kind", "helm", "kubectl", "cilium", "hubble")


@dataclass
class Machine:
    folder: Path
    home: Home
    environ: dict[str, str]
    said: list[str]

    @property
    def state(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        return found

    @property
    def containers(self) -> list[str]:
        return [one["name"] for one in self.state["containers"]]  # type: ignore[attr-defined,index]

    def calls(self, *begin: str) -> list[list[str]]:
        path = self.folder / "calls.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found: list[list[str]] = [json.loads(line) for line in lines]
        return [call for call in found if tuple(call[: len(begin)]) == begin]

    def forget_calls(self) -> None:
        (self.folder / "calls.jsonl").unlink(missing_ok=True)

    def fail(self, *ways: str) -> None:
        (self.folder / "fail").write_text(" ".join(ways), encoding="utf-8")

    def put(self, **changes: object) -> None:
        (self.folder / "state.json").write_text(json.dumps({**self.state, **changes}), encoding="utf-8")

    def cluster(self) -> KindCluster:
        return KindCluster(self.home, Lines(self.said.append), self.environ)


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = Home(tmp_path_factory.mktemp("twin"))
    yield start_twin(home)
    twins.stop(home)


@pytest.fixture
def quick(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The same machine with the stand-ins called in this process instead of started: a tenth of the time."""
    spec = importlib.util.spec_from_file_location("standins", Path(__file__).with_name("standins.py"))
    assert spec is not None
    assert spec.loader is not None
    standins = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(standins)

    def run(
        command: Sequence[str],
        *,
        timeout: float = 60.0,
        environ: Mapping[str, str] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> commands.Ran:
        del timeout
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            for name, value in (environ or {}).items():
                patch.setenv(name, value)
            code = standins.main(Path(command[0]).name, list(command[1:]))
        for line in err.getvalue().splitlines() if say else ():
            say(line)
        return commands.Ran(code, out.getvalue(), err.getvalue())

    for module in (commands, engines, preflights, removing):
        monkeypatch.setattr(module, "run", run)
    return machine


@pytest.fixture
def machine(tmp_path: Path, twin: Cluster, monkeypatch: pytest.MonkeyPatch) -> Machine:
    if os.name == "nt":
        pytest.skip("the stand-ins are started by their first line, which Windows does not read")
    folder, programs = tmp_path / "standin", tmp_path / "programs"
    folder.mkdir()
    programs.mkdir()
    empty = {"containers": [], "networks": [], "images": [], "routes": {}, "made": 0}
    (folder / "state.json").write_text(json.dumps(empty), encoding="utf-8")
    source = Path(__file__).with_name("standins.py")
    for name in PROGRAMS:
        launcher = programs / name
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{source}" {name} "$@"\n', encoding="utf-8")
        launcher.chmod(0o755)
    kubeconfig = tmp_path / "from-kind"
    config = json.loads(twin.kubeconfig.read_text(encoding="utf-8"))
    config["contexts"][0]["name"] = config["current-context"] = "kind-cilium-labs"
    kubeconfig.write_text(json.dumps(config), encoding="utf-8")
    variables = {
        "PATH": f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "STANDIN": str(folder),
        "STANDIN_KUBECONFIG": str(kubeconfig),
        "CILIUM_LABS_HOME": str(tmp_path / "home"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("CILIUM_LABS_BUNDLE", "CILIUM_LABS_ENGINE", "KIND_EXPERIMENTAL_PROVIDER", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    return Machine(folder, Home(tmp_path / "home").prepare(), {**os.environ, **variables}, [])
