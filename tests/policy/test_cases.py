"""Our own cases: a clone without the recorded verdicts still tests what policies mean."""

from __future__ import annotations

from typing import Any

import pytest

from lab_helpers.policy.cases import judge

from .conftest import case_of, written_cases


@pytest.mark.parametrize("written", [pytest.param(case, id=case["name"]) for case in written_cases()])
def test_case(written: dict[str, Any]) -> None:
    result = judge(case_of(written))

    refused = [policy["category"] for policy in result["policies"] if not policy["ok"]]
    assert refused == ([written["refused"]] if "refused" in written else [])
    seen = {
        text: f"{side(flow, 'egress')} {side(flow, 'ingress')}"
        for text, flow in zip(written["flows"], result["flows"], strict=True)
    }
    assert seen == written["flows"]


def side(flow: dict[str, Any], direction: str) -> str:
    return str(flow[direction]) + ("+" if flow[f"{direction}Redirect"] else "")
