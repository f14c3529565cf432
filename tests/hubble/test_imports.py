"""What must not be imported where time counts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import lab_helpers.hubble", ["google.protobuf", "grpc"]),
        ("import lab_helpers.hubble.client", ["grpc", "ssl"]),
        ("import lab_helpers.tools.hubble.observing", ["grpc", "h2", "dataclasses", "yaml", "argparse", "ssl"]),
        ("import lab_helpers.tools.goflags", ["dataclasses", "argparse", "click", "inspect"]),
    ],
)
def test_quick_to_import(statement: str, forbidden: list[str]) -> None:
    program = f"{statement}\nimport sys\nprint(*sorted(set({forbidden!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("words", [["observe", "--help"], ["observe", "--input-file", os.devnull], ["version"]])
def test_http_is_loaded_for_calls_only(words: list[str]) -> None:
    program = (
        "import io, sys\nfrom lab_helpers.tools.hubble.running import main\n"
        f"status = main({words!r}, io.StringIO(), io.StringIO())\nprint(status, 'h2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]
