"""Put-off modules are the real ones as soon as somebody uses them; leaving prints everything first."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from lab_helpers.tools.deferring import RARELY_USED


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", RARELY_USED)
def test_each_name_is_a_module(name: str) -> None:
    assert find_spec(name) is not None


def test_nothing_is_loaded_until_it_is_used() -> None:
    done = run(
        "import sys\nfrom lab_helpers.tools.deferring import defer\n"
        "sys.modules.pop('colorsys', None)\ndefer('colorsys')\nimport colorsys\n"
        "print(type(sys.modules['colorsys']).__name__, colorsys.rgb_to_hsv(0, 0, 0),"
        " type(sys.modules['colorsys']).__name__, 'rgb_to_hls' in dir(sys.modules['colorsys']))"
    )
    assert done.stdout.split() == ["_Deferred", "(0.0,", "0.0,", "0)", "module", "True"]


def test_a_dataclass_without_a_docstring_does_not_load_inspect() -> None:
    done = run(
        "import sys\nfrom lab_helpers.tools.deferring import defer\n"
        "sys.modules.pop('inspect', None)\ndefer('inspect')\n"
        "sys.modules.pop('dataclasses', None)\nimport dataclasses\n"
        "class Plain:\n    x: int\nprint(dataclasses.dataclass(Plain)(1), type(sys.modules['inspect']).__name__)\n"
        "import inspect\nprint(inspect.signature(Plain))"
    )
    assert done.stdout.splitlines() == ["Plain(x=1) _Deferred", "(x: int) -> None"], done.stderr


def test_loaded_modules_stay() -> None:
    done = run(
        "import sys, json\nfrom lab_helpers.tools.deferring import defer\ndefer('json')\n"
        "print(sys.modules['json'] is json)"
    )
    assert done.stdout == "True\n"


def test_names_from_a_put_off_module_can_be_imported() -> None:
    done = run(
        "from lab_helpers.tools.deferring import defer\ndefer('colorsys')\n"
        "from colorsys import rgb_to_hsv\nprint(rgb_to_hsv.__module__)"
    )
    assert done.stdout == "colorsys\n"


def test_a_missing_name_is_missing_as_ever() -> None:
    done = run("from lab_helpers.tools.deferring import defer\ndefer('colorsys')\nfrom colorsys import nothing")
    assert "ImportError: cannot import name 'nothing' from 'colorsys'" in done.stderr


@pytest.mark.parametrize("status", [0, 3])
def test_leaving_writes_what_was_printed(status: int) -> None:
    done = run(f"from lab_helpers.tools.leaving import leave\nprint('x' * 100000)\nleave({status})")
    assert (len(done.stdout), done.returncode) == (100001, status)


def test_leaving_with_a_closed_output_keeps_the_status() -> None:
    done = run("import sys\nfrom lab_helpers.tools.leaving import leave\nsys.stdout.close()\nleave(4)")
    assert done.returncode == 4
