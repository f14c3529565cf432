"""Every recorded verdict of Cilium's own engine, where the recordings are at hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.policy.cases import judge

FILES = [
    "probes.jsonl",
    "taught.jsonl",
    *(
        f"{name}.jsonl.gz"
        for name in (
            "ccnp",
            "cidr",
            "cyclonus",
            "defaultdeny",
            "deny",
            "entities",
            "fqdn",
            "icmp",
            "invalid",
            "kcnp",
            "knp",
            "l3l4",
            "l7",
            "mixed",
            "ports",
            "reject",
            "selectors",
            "services",
        )
    ),
]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def mismatches(case: dict[str, Any]) -> Iterator[str]:
    result = judge(case)
    for number, (expected, got) in enumerate(zip(case["policy_results"], result["policies"], strict=True)):
        if expected["ok"] != got["ok"]:
            yield f"{case['name']} policy {number}: {expected} but {got}"
    for flow, got in zip(case["flows"], result["flows"], strict=True):
        expected = flow["expected"]
        if "error" in expected:
            if "error" not in got:
                yield f"{case['name']} {flow}: {got}"
            continue
        reference = expected | expected.get("logical", {})
        for side in ("egress", "ingress"):
            redirect = expected.get(f"{side}Redirect", False) and reference[side] == "allowed"
            if (reference[side], redirect) != (got[side], got[f"{side}Redirect"]):
                yield f"{case['name']} {flow} {side}: {got}"


@pytest.mark.parametrize("name", FILES)
def test_no_mismatch(recorded: Path, name: str) -> None:
    path = recorded / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    assert [text for case in lines(path) for text in mismatches(case)] == []


def test_every_recording_is_listed(recorded: Path) -> None:
    assert {path.name for path in recorded.glob("*.jsonl*")} <= set(FILES)


@pytest.mark.parametrize("size", ["100x100", "100x100-dense", "1000x200"])
def test_benchmark_verdicts(recorded: Path, size: str) -> None:
    (case,) = lines(recorded / "bench" / f"bench-{size}.jsonl.gz")
    wrong = [
        (flow, got)
        for flow, got in zip(case["flows"], judge(case)["flows"], strict=True)
        if any(flow["expected"][side] != got[side] for side in ("egress", "ingress"))
    ]
    assert wrong == []
