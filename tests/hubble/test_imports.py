"""What must not be imported where time counts."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import lab_helpers.hubble", ["google.protobuf", "grpc"]),
        ("import lab_helpers.hubble.client", ["grpc", "dataclasses", "ssl"]),
        ("import lab_helpers.tools.hubble.observing", ["grpc", "dataclasses", "yaml", "argparse", "ssl"]),
        ("import lab_helpers.tools.goflags", ["dataclasses", "argparse", "click", "inspect"]),
    ],
)
def test_quick_to_import(statement: str, forbidden: list[str]) -> None:
    program = f"{statement}\nimport sys\nprint(*sorted(set({forbidden!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
