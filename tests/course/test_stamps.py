"""Stamps: what a page says of its own origin, for readers and for machines, and that it comes from the run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from lab_helpers.course.exporting import junit
from lab_helpers.course.limitations import LIMITATIONS, limitations
from lab_helpers.course.results import CellTime, Failure, LabResult, summary
from lab_helpers.course.running import Runner, Settings
from lab_helpers.course.stamps import meta_tags, revision, stamp_facts, stamp_panel
from tests.course.fakes import FakeCluster
from tests.course.test_running import Heard, make_lab

FACTS = {"backend": "kind", "kubernetes": "v1.34.3", "cilium": "1.19.8", "revision": "abc123"}


def result(lab: str = "06-names", **changes: Any) -> LabResult:
    values: dict[str, Any] = {
        "lab": lab,
        "title": "Lab 06 · Names",
        "solved": True,
        "started": "2026-11-22T03:14:12+00:00",
        "seconds": 23.44,
        "cells": (CellTime(1, "x = 1", 0.5),),
        "failures": (),
        "facts": FACTS,
    }
    return LabResult(**{**values, **changes})


def test_readers_see_where_when_and_how_it_ended() -> None:
    assert stamp_panel(result("04-l3")).text() == (
        "✔ passed: Lab 06 · Names\n"
        "Executed with solutions on a kind cluster, Cilium 1.19.8, Kubernetes v1.34.3.\n"
        "2026-11-22 03:14 UTC, in 23 s, course at abc123."
    )


def test_a_failure_and_a_missing_cluster_are_said() -> None:
    failed = result(failures=(Failure("Error", "no such policy", 3, "x"),), facts={"revision": "abc"}, solved=False)
    text = stamp_panel(failed).text()
    assert text.startswith("✖ failed: ")
    assert "as learners find it on no cluster" in text
    assert "cell [3] x: Error: no such policy" in text


def test_what_this_cluster_cannot_decide_is_on_the_page() -> None:
    text = stamp_panel(result("06-names")).text()
    assert [str(limit) for limit in limitations("06", "kind") if str(limit) not in text] == []
    assert "Not decided on this cluster: hours within a second" in text
    assert "Not decided" not in stamp_panel(result("06-names", facts={**FACTS, "backend": "twin"})).text()


def test_the_list_is_short_and_each_item_is_justified() -> None:
    assert len(LIMITATIONS) <= 8
    for limit in LIMITATIONS.values():
        assert limit.backends <= {"twin", "kind", "existing"}
        assert len(limit.backends) < 3, "something must be left on which it can be decided"
        assert limit.why
        assert limit.instead
        assert all(re.fullmatch(r"\d\d", lab) for lab in limit.labs)


class Metas(HTMLParser):
    """The page's own ``<meta>`` elements."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "meta" and (values.get("name") or "").startswith("cilium-labs:"):
            self.found[str(values["name"]).partition(":")[2]] = str(values["content"])


def test_an_eager_clock_is_said() -> None:
    eager, usual = result(facts={**FACTS, "clock": "eager"}), result(facts=FACTS)
    assert (stamp_facts(eager)["clock"], stamp_facts(usual)["clock"]) == ("eager", "real time")
    assert "clock was eager" in stamp_panel(eager).text()
    assert "eager" not in stamp_panel(usual).text()


def test_machines_read_the_same_facts_everywhere() -> None:
    made = result(facts={**FACTS, "kubernetes": 'v1 "quoted" <&>'})
    metas = Metas()
    metas.feed(meta_tags(made))
    assert metas.found == stamp_facts(made)
    suite = junit([made]).find("testsuite")
    assert suite is not None
    assert {item.get("name"): item.get("value") for item in suite.iter("property")} == stamp_facts(made)
    assert suite.get("tests") == "1"
    said = summary([made])["labs"][0]
    assert {name: said[name] for name in ("backend", "cilium", "revision", "passed")} == {
        "backend": "kind",
        "cilium": "1.19.8",
        "revision": "abc123",
        "passed": True,
    }


class Copying(Runner):
    """A runner that executes nothing; ``raises`` is what its labs fail with."""

    raises: tuple[Failure, ...] = ()

    def _execute(self, folder: Path, scratch: Path, output: Path, cluster: Any, cells: list[CellTime]) -> list[Failure]:
        shutil.copyfile(folder / f"{folder.name}.ipynb", output)
        return list(self.raises)


class Failing(Copying):
    """Its labs fail."""

    raises = (Failure("ValueError", "first", 2, "raise"),)


class TwoVersions(FakeCluster):
    """A cluster whose Cilium is another one than the course installs."""

    def versions(self) -> dict[str, str]:
        return {"kubernetes": "v1.33.1", "cilium": "1.18.4"}


def test_a_run_stamps_what_the_cluster_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CILIUM_LABS_REVISION", "release-7")
    lab = make_lab(tmp_path, "01", "good", ["x = 1"])
    report = tmp_path / "out"
    Copying(Settings(report), Heard(), TwoVersions).run([lab])  # type: ignore[arg-type]
    metas = Metas()
    page = (report / "01-good.html").read_text(encoding="utf-8")
    metas.feed(page)
    assert metas.found["cilium"] == "1.18.4"
    assert metas.found["kubernetes"] == "v1.33.1"
    assert metas.found["revision"] == "release-7"
    assert metas.found["result"] == "passed"
    assert page.index("Executed with solutions") < page.index('<h1 id="Title'), "the stamp is at the top"
    assert b"charset" in page.encode()[:1024]
    assert "@media (prefers-color-scheme: dark) {\n:root { color-scheme: dark; }" in page
    assert "data-jp-theme-light" not in page.partition("<body")[2].partition(">")[0], "views follow the reader's system"
    stamp = json.loads((report / "01-good.ipynb").read_text(encoding="utf-8"))["metadata"]["cilium_labs"]
    assert (stamp["cilium"], stamp["revision"]) == ("1.18.4", "release-7")
    properties = ET.parse(report / "junit.xml").getroot().iter("property")
    assert {item.get("name"): item.get("value") for item in properties}["cilium"] == "1.18.4"


def test_a_lab_that_cannot_be_run_there_is_passed_over_with_the_reason(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, "02", "bare", ["x = 1"])
    somebodys = partial(FakeCluster, backend="existing")
    found = Failing(Settings(tmp_path / "out"), Heard(), somebodys).run([lab])[0]  # type: ignore[arg-type]
    assert found.passed
    assert found.skipped.startswith("installing, configuring and repairing Cilium: the course never installs")
    assert stamp_facts(found)["result"] == "skipped"
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["labs"][0]["skipped"]
    suite = ET.parse(tmp_path / "out" / "junit.xml").getroot()[0]
    assert (suite.get("skipped"), suite.get("failures")) == ("1", "0")
    assert not (tmp_path / "out" / "02-bare.html").exists()


def test_a_cluster_that_dies_keeps_what_failed_before(tmp_path: Path) -> None:
    class Dying(FakeCluster):
        def versions(self) -> dict[str, str]:
            raise ConnectionError("gone")

    lab = make_lab(tmp_path, "01", "bad", [])
    found = Failing(Settings(tmp_path / "out"), Heard(), Dying).run([lab])[0]  # type: ignore[arg-type]
    assert [failure.what for failure in found.failures] == ["ValueError", "the lab could not be run"]
    assert found.facts["backend"] == "twin"


def test_the_revision_is_the_commit_and_says_what_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CILIUM_LABS_REVISION", raising=False)
    assert revision(tmp_path).startswith("version ")
    labs = tmp_path / "labs"
    labs.mkdir()
    (labs / "lab.yaml").write_text("a", encoding="utf-8")
    name = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    for words in (["init", "-q"], ["add", "."], [*name, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)
    commit = revision(labs)
    assert re.fullmatch(r"[0-9a-f]{12,}", commit)
    (labs / "lab.yaml").write_text("b", encoding="utf-8")
    assert revision(labs) == commit + "+changes"
    monkeypatch.setenv("CILIUM_LABS_REVISION", "v1")
    assert revision(labs) == "v1"
