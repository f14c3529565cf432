"""What is applied to a real cluster is what Kubernetes' schemas allow: the twin's API server, strict field validation.

The twin validates with the structural schemas of Kubernetes 1.34, as a real API server of that minor does.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from lab_helpers.clusters import Cluster
from lab_helpers.course import shopping
from lab_helpers.course.api import KINDS, Api
from lab_helpers.course.errors import ApiError
from lab_helpers.course.trusting import trusting

PUBLISHED = {"kind": "ConfigMap", "metadata": {"name": "cilium-labs-outside"}, "data": {"ca.crt": "PEM"}}
PARTS = ((), ("kafka",))


@pytest.fixture(scope="module")
def api(twin: Cluster) -> Iterator[Api]:
    one = Api(twin.api())
    for item in shopping.manifests():
        if item["kind"] == "Namespace":
            one.apply(item)
    yield one
    for name in shopping.NAMESPACES:
        one.delete("Namespace", name)
    one.close()


def validate(api: Api, item: dict[str, Any]) -> None:
    """Would a server store it? Raises ApiError."""
    metadata = item["metadata"]
    path = KINDS[item["kind"]].path(metadata.get("namespace", ""), metadata["name"])
    query = {"fieldManager": "strict", "force": "true", "fieldValidation": "Strict", "dryRun": "All"}
    api._request("PATCH", path, query=query, body=item, content="application/apply-patch+yaml")


@pytest.mark.parametrize("parts", PARTS, ids=["shop", "kafka"])
@pytest.mark.parametrize("published", [None, PUBLISHED], ids=["as they are", "trusting the outside"])
def test_the_shop(api: Api, parts: tuple[str, ...], published: dict[str, Any] | None) -> None:
    for item in trusting(shopping.manifests(parts), published):
        validate(api, item)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replica"), 1),
        (("spec", "replicas"), "one"),
        (("spec", "template", "spec", "containers", 0, "imag"), "x"),
        (("spec", "template", "spec", "restartPolicy"), "Sometimes"),
    ],
)
def test_the_validation_is_strict(api: Api, path: tuple[Any, ...], value: object) -> None:
    item = copy.deepcopy(next(item for item in shopping.manifests() if item["kind"] == "Deployment"))
    place: Any = item
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ApiError):
        validate(api, item)
