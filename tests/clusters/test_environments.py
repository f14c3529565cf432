"""environment/ is found in a checkout and in an installed package, from one source."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lab_helpers.clusters import ClusterError
from lab_helpers.clusters.environments import environment_file

ROOT = Path(__file__).resolve().parents[2]


def test_the_checkout_comes_first_and_the_package_is_the_other(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "tools.toml").write_text("", encoding="utf-8")
    folders = (tmp_path / "checkout", tmp_path / "package")
    assert environment_file("tools.toml", folders=folders) == tmp_path / "package" / "tools.toml"
    with pytest.raises(ClusterError, match="environment/kind/x is missing"):
        environment_file("kind", "x", folders=folders)
    assert environment_file("tools.toml") == ROOT / "environment" / "tools.toml"


def test_the_wheel_takes_along_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source, target in included.items():
        assert (ROOT / source).exists()
        assert target == "lab_helpers/clusters/" + source
    sources = (ROOT / "lab_helpers").rglob("*.py")
    asked = {
        line.partition('environment_file("')[2].partition('"')[0]
        for path in sources
        for line in path.read_text(encoding="utf-8").splitlines()
        if 'environment_file("' in line
    }
    assert asked == {"kind", "tools.toml", "tools.lock.json"}
    assert {"environment/kind", "environment/tools.toml"} <= set(included)
