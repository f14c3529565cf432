"""Small sizes under pytest-benchmark: ``pytest tests/benchmarks --benchmark-only``. No time is asserted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab_helpers.policy.cases import case_repository
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.reachability import full_matrix

from .policy_bench import judge_flows, read_case, resolve_all

SIZES = ["100x100", "100x100-dense"]


@pytest.fixture(params=SIZES)
def case(request: pytest.FixtureRequest, shared: Path) -> dict[str, Any]:
    assert shared.is_dir()
    return read_case(request.param)


def test_load(benchmark: Any, case: dict[str, Any]) -> None:
    _, _, errors = benchmark.pedantic(case_repository, args=(case,), rounds=3)
    assert not any(errors)


def test_resolve_every_identity(benchmark: Any, case: dict[str, Any]) -> None:
    def fresh() -> tuple[tuple[Any], dict[str, Any]]:
        return (case_repository(case)[0],), {}

    assert benchmark.pedantic(resolve_all, setup=fresh, rounds=3) > 0


def test_verdicts(benchmark: Any, case: dict[str, Any]) -> None:
    repository, endpoints, _ = case_repository(case)
    assert benchmark.pedantic(judge_flows, args=(repository, endpoints, case), rounds=3) == 0


def test_matrix(benchmark: Any, case: dict[str, Any]) -> None:
    repository, _, _ = case_repository(case)
    rows = benchmark.pedantic(full_matrix, args=(repository, Protocol.TCP, 443), rounds=3)
    assert len(rows) >= len(repository.population)
