"""The recorded behaviour of Cilium's Hubble CLI 1.19.4 and filters, judged by the scorers that come with it.

The scorers run in this process, with their way of starting a command replaced by a call; the sweep that starts a
process for each of the thousand cases is marked slow.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from lab_helpers.hubble import jsonpb
from lab_helpers.hubble.errors import HubbleError
from lab_helpers.hubble.filters import compile_filters
from lab_helpers.hubble.protos import flow_pb2, observer_pb2, peer_pb2, relay_pb2
from lab_helpers.hubble.records import Record

from .conftest import NOON, CommandLine, serving

# the scorers leave files open, and their scripted server uses packages that warn
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

_STUBS = ("flow_pb2", "observer_pb2", "observer_pb2_grpc", "peer_pb2", "peer_pb2_grpc", "relay_pb2")


@pytest.fixture
def tools(shared: Path) -> Path:
    return shared / "conformance" / "hubble" / "tools"


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """Our stubs under the import paths protoc would give them."""
    for name in _STUBS:
        package = tmp_path / name.split("_")[0]
        package.mkdir(exist_ok=True)
        text = f"import sys\nfrom lab_helpers.hubble.protos import {name}\nsys.modules[__name__] = {name}\n"
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def score(tools: Path, stubs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Runs a scorer; returns its exit status."""
    monkeypatch.setenv("HUB_STUBS", str(stubs))
    monkeypatch.syspath_prepend(str(tools))
    before = set(sys.modules)
    import lib  # type: ignore[import-not-found]

    command_line = CommandLine()

    def run(cli, args, stdin=b"", env=None, timeout=120, cwd=None):  # type: ignore[no-untyped-def]
        return command_line(*args, stdin=stdin, env={"LC_ALL": "C.UTF-8", **(env or {})})

    monkeypatch.setattr(lib, "run", run)

    def scored(script: str, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(tools / script))
        return int(ended.value.code or 0)

    yield scored
    for name in set(sys.modules) - before:
        if name in ("lib", "fakeserver") or name.split(".")[0] in ("flow", "observer", "peer", "relay"):
            del sys.modules[name]


@pytest.mark.parametrize("group", ["print", "filters", "config", pytest.param("semantics-cli", marks=pytest.mark.slow)])
def test_command_line(score, group: str) -> None:
    assert score("check.py", "--cli", "hubble", "--only", group) == 0


def test_filters(shared: Path) -> None:
    folder = shared / "conformance/hubble/dev/semantics"
    lines = (folder / "flows.jsonl").read_text(encoding="utf-8").splitlines()
    flows = [Record(jsonpb.loads(line, observer_pb2.GetFlowsResponse()).flow) for line in lines]

    def answer(case: dict[str, Any]) -> list[int] | str:
        try:
            allow, deny = (
                [jsonpb.loads(json.dumps(each), flow_pb2.FlowFilter()) for each in case[key]]
                for key in ("allow", "deny")
            )
            passes = compile_filters(allow, deny)
        except HubbleError as error:
            return str(error)
        return [index for index, flow in enumerate(flows) if passes(flow)]

    cases = [json.loads(line) for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    wrong = [
        case["id"] for case in cases if answer(case) != (case["error"] if case["match"] is None else case["match"])
    ]
    assert wrong == []


def test_wire(score) -> None:
    pytest.importorskip("grpc_health", reason="the scripted server of the recordings needs grpcio-health-checking")
    pytest.importorskip("grpc_reflection", reason="the scripted server of the recordings needs grpcio-reflection")
    assert score("check.py", "--cli", "hubble", "--only", "wire") == 0


def test_server(score, shared: Path) -> None:
    pytest.importorskip("grpc_health", reason="the scorer needs grpcio-health-checking")
    pytest.importorskip("grpc_reflection", reason="the scorer needs grpcio-reflection")
    from lab_helpers.hubble.serving import NodeLog, add_agent

    log = NodeLog("kind-worker", clock=lambda: NOON)
    lines = (shared / "conformance/hubble/dev/semantics/flows.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        log.add_flow(jsonpb.loads(line, observer_pb2.GetFlowsResponse()).flow)
    with serving(lambda server: add_agent(server, log, peers=list)) as (address, _):
        assert score("check_server.py", "--addr", address, "--cli", "hubble") == 0


def test_schema(score, tmp_path: Path) -> None:
    schema = descriptor_pb2.FileDescriptorSet()
    for module in (flow_pb2, relay_pb2, observer_pb2, peer_pb2):
        module.DESCRIPTOR.CopyToProto(schema.file.add())
    path = tmp_path / "schema.desc"
    path.write_bytes(schema.SerializeToString())
    assert score("check_proto.py", str(path)) == 0


def test_committed_stubs_are_those_of_the_proto_files(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="generating stubs needs the extra 'protos'")
    pytest.importorskip("mypy_protobuf", reason="generating stubs needs the extra 'protos'")
    from lab_helpers.hubble.protos.generating import HERE, package_stubs

    for path in package_stubs(tmp_path):
        if path.suffix == ".py":
            theirs = (HERE / path.name).read_text(encoding="utf-8")
            assert _without_versions(path.read_text(encoding="utf-8")) == _without_versions(theirs)


def _without_versions(text: str) -> list[str]:
    """Lines of a stub that do not depend on the release of the generator."""
    return [line for line in text.splitlines() if "AddSerializedFile" in line or "_serialized_start" in line]


@pytest.mark.slow
def test_as_processes(tools: Path, stubs: Path) -> None:
    import os

    command = [sys.executable, str(tools / "check.py"), "--cli", f"{sys.executable} -m lab_helpers.tools.hubble"]
    done = subprocess.run(
        command,
        env={**os.environ, "HUB_STUBS": str(stubs)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
