"""Notebooks are read without the parsers of addresses, and those can be had afterwards all the same."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from lab_helpers.course.sparing import spare_address_parsers
spare_address_parsers()
import nbformat
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
nbformat.validate(notebook)
assert "rfc3987_syntax" not in sys.modules
spare_address_parsers()
import jsonschema
print("iri" in jsonschema.FormatChecker.checkers, "uuid" in jsonschema.FormatChecker.checkers)
"""


def test_the_parsers_are_left_out_and_other_checkers_are_there() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "True"]
