"""The bundled kubectl prints what the real one prints: recorded (goldens), and live where a real one is installed.

``RECORD_GOLDENS=1 pytest tests/tools/kubectl`` records anew with the real kubectl on PATH.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"kubectl_{name}", HERE / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COMMANDS = _module("commands")
normalized = _module("conftest").normalized


def _shown(done: Any) -> str:
    return normalized(f"exit {done.code}\n--- stdout\n{done.out}\n--- stderr\n{done.err}\n")


@pytest.mark.parametrize("name", list(COMMANDS.READING))
def test_live(name: str, bundled: Any, real: Any) -> None:
    words = COMMANDS.READING[name]
    theirs = _shown(real(*words))
    if os.environ.get("RECORD_GOLDENS"):
        version = json.loads(real("version", "--client", "-o", "json").out)["clientVersion"]["gitVersion"]
        origin = f"on the embedded cluster (Kubernetes v1.34.2), recorded by {Path(__file__).name}"
        head = f"# kubectl {version} {origin}\n# {json.dumps(words)}\n"
        (HERE / "goldens" / f"{name}.txt").write_text(head + theirs, encoding="utf-8")
    assert _shown(bundled(*words)) == theirs


@pytest.mark.parametrize("name", list(COMMANDS.READING))
def test_recorded(name: str, bundled: Any) -> None:
    recorded = (HERE / "goldens" / f"{name}.txt").read_text(encoding="utf-8")
    assert _shown(bundled(*COMMANDS.READING[name])) == recorded.split("\n", 2)[2]


def test_every_golden_belongs_to_a_command() -> None:
    assert {path.stem for path in (HERE / "goldens").glob("*.txt")} == set(COMMANDS.READING)


def test_writing(bundled: Any, real: Any) -> None:
    """The same changes by both, each in its own namespace."""
    assert bundled("create", "namespace", "ours").out == "namespace/ours created\n"
    assert real("create", "namespace", "theirs").out == "namespace/theirs created\n"
    for words in COMMANDS.WRITING:
        ours, theirs = bundled("-n", "ours", *words), real("-n", "theirs", *words)
        said = re.sub(r"\btheirs\b", "ours", _shown(theirs))
        assert (words, _shown(ours)) == (words, said)
