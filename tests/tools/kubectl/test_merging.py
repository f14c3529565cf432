"""Three-way patches: what apply sends."""

from __future__ import annotations

from typing import Any

import pytest

from lab_helpers.tools.kubectl.merging import json_merge, three_way, two_way


def pod(**containers: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name, **fields} for name, fields in containers.items()]}}


def test_nothing_to_change_is_an_empty_patch() -> None:
    mine = pod(web={"image": "a"})
    live = pod(web={"image": "a", "imagePullPolicy": "Always"})
    assert three_way(mine, mine, live, "Pod") == {}


def test_items_are_merged_by_name() -> None:
    patch = three_way(
        pod(web={"image": "a"}), pod(web={"image": "b"}), pod(web={"image": "a"}, added={"image": "x"}), "Pod"
    )
    assert patch == {
        "spec": {"$setElementOrder/containers": [{"name": "web"}], "containers": [{"name": "web", "image": "b"}]}
    }


def test_items_taken_out_of_the_file_are_deleted() -> None:
    patch = three_way(
        pod(web={"image": "a"}, side={"image": "b"}),
        pod(web={"image": "a"}),
        pod(web={"image": "a"}, side={"image": "b"}),
        "Pod",
    )
    assert patch["spec"]["containers"] == [{"$patch": "delete", "name": "side"}]


def test_fields_taken_out_of_the_file_are_removed_and_others_stay() -> None:
    patch = three_way({"a": 1, "b": 2}, {"a": 1}, {"a": 1, "b": 2, "c": 3})
    assert patch == {"b": None}


def test_custom_resources_have_their_lists_replaced() -> None:
    original = {"spec": {"ingress": [{"x": 1}, {"y": 2}]}}
    modified = {"spec": {"ingress": [{"x": 1}]}}
    assert three_way(original, modified, original) == {"spec": {"ingress": [{"x": 1}]}}


def test_changes_by_others_are_overruled() -> None:
    assert three_way({"a": 1}, {"a": 1}, {"a": 5}) == {"a": 1}


@pytest.mark.parametrize(
    ("before", "after"), [({"a": True}, {"a": 1}), ({"a": [1]}, {"a": [2]}), ({"a": {"b": 1}}, {"a": 1})]
)
def test_different_types_differ(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert two_way(before, after) == after


def test_a_merge_patch_leads_from_one_to_the_other() -> None:
    before, after = {"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"c": 3}, "e": 4}
    assert json_merge(before, two_way(before, after)) == after
