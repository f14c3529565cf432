"""What a notebook uses: ``lab.try_``, ``matrix``, ``flows``, ``identities``, ``check``, on a lab of the course."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_helpers.clusters import Cluster
from lab_helpers.course import shopping
from lab_helpers.course.api import Api
from lab_helpers.course.limitations import limitations
from lab_helpers.course.sessions import Lab
from lab_helpers.views.verdicts import Outcome
from tests.clusters.contract.conftest import hurried
from tests.clusters.contract.stages import until

LABS = Path(__file__).resolve().parents[3] / "labs"
TASK = "backend-allow-frontend"
PRODUCTS = "curl -s -o /dev/null -w '%{http_code}' --max-time 25 http://backend.shop:8080/api/v1/products"


@pytest.fixture(scope="module")
def lab(cluster: Cluster, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Lab 04 at its start. The story's namespaces go afterwards, as they came."""
    there = [name for name in shopping.NAMESPACES if api.get("Namespace", name)]
    if there and cluster.backend == "existing":
        pytest.skip(f"somebody works with the course here: namespace {', '.join(there)}")
    kept = dict(os.environ)
    os.environ["CILIUM_LABS_PROGRESS"] = str(tmp_path_factory.mktemp("progress") / "progress.db")
    with hurried(cluster):
        lab = Lab("l3-l4-policies", cluster=cluster, labs=LABS)
    yield lab
    lab.close()
    os.environ.clear()
    os.environ.update(kept)  # other tests of this process are not to find this cluster
    for name in set(shopping.NAMESPACES) - set(there):
        api.delete("Namespace", name)
    with hurried(cluster):
        until("the story's namespaces to go", lambda: ", ".join(n for n in _namespaces(api) if n not in there))


def _namespaces(api: Api) -> list[str]:
    return [name for name in shopping.NAMESPACES if api.get("Namespace", name)]


def test_an_attempt_brings_its_flows(lab: Lab) -> None:
    attempt = lab.try_("dev/intruder", PRODUCTS)
    assert attempt.outcome is Outcome.ANSWERED, attempt.text()
    assert attempt.output.strip() == "200"
    assert attempt.flows, attempt.note
    assert {flow.port for flow in attempt.flows} >= {8080}


def test_an_attempt_that_cannot_be_made_is_a_value(lab: Lab) -> None:
    attempt = lab.try_("shop/nobody", PRODUCTS)
    assert attempt.outcome is Outcome.NOT_RUN
    assert "there is no pod of shop/nobody" in attempt.note


def test_identities_are_shared_by_labels(lab: Lab) -> None:
    rows = lab.identities().rows
    backend = next(row for row in rows if "k8s:app=backend" in row.labels)
    assert len(backend.pods) == 2
    assert all(row.numeric >= 256 for row in rows)


def test_a_task_from_starter_to_solution(lab: Lab) -> None:
    before = lab.matrix()
    assert set(before.cells.values()) == {Outcome.ANSWERED}
    failed = lab.check(TASK)
    assert not failed.passed
    assert failed.hint
    lab.answer(TASK, lab.outline.tasks[TASK].solution)
    passed = lab.check(TASK)
    assert passed.passed, passed.text()

    after = lab.matrix(before)
    assert after.cells["shop/frontend", "backend:8080"] is Outcome.ANSWERED
    assert after.cells["dev/intruder", "backend:8080"] is Outcome.TIMEOUT
    dropped = lab.flows(20, pod="dev/intruder", verdict="DROPPED")
    assert dropped.rows
    assert {row.verdict for row in dropped.rows} == {"DROPPED"}
    lab.reset()
    assert lab.try_("dev/intruder", PRODUCTS).outcome is Outcome.ANSWERED


def test_the_card_says_what_it_runs_on(lab: Lab, cluster: Cluster) -> None:
    text = lab.card().text()
    assert f"({cluster.backend})" in text
    assert cluster.versions()["cilium"] in text
    for limit in limitations(lab.outline.number, cluster.backend):
        assert limit.what in text
