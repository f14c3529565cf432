"""JSON, merge and strategic merge patches, and their laws."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.twin.api.patching.json_patches import json_patch
from lab_helpers.twin.api.patching.merging import merge_patch
from lab_helpers.twin.api.patching.strategic import go_text, strategic_merge
from lab_helpers.twin.api.schemas.builtin import builtin_shape
from lab_helpers.twin.objects.errors import StatusError

POD = builtin_shape("", "Pod")
DEPLOYMENT = builtin_shape("apps", "Deployment")
SERVICE = builtin_shape("", "Service")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


@given(objects, objects)
def test_a_merge_patch_twice_is_the_same_as_once(target, patch):
    before = copy.deepcopy(target)
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert target == before


@given(objects)
def test_a_merge_patch_of_nothing_makes_the_patch(patch):
    assert merge_patch({}, patch) == without_nulls(patch)


@given(objects, objects)
def test_without_a_schema_a_strategic_merge_is_a_merge(target, patch):
    from lab_helpers.twin.api.schemas.shapes import ANY

    assert strategic_merge(target, without_nulls(patch), ANY) == merge_patch(target, without_nulls(patch))


containers = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd"), "image": st.text(max_size=2)}),
    unique_by=lambda item: item["name"],
    max_size=4,
)


@given(containers, containers)
def test_containers_merge_by_name(current, patch):
    merged = strategic_merge({"spec": {"containers": current}}, {"spec": {"containers": patch}}, POD)
    found = {item["name"]: item["image"] for item in merged["spec"]["containers"]}
    wanted = {item["name"]: item["image"] for item in current} | {item["name"]: item["image"] for item in patch}
    assert found == wanted
    again = strategic_merge(merged, {"spec": {"containers": patch}}, POD)
    assert again == merged


def spec(**fields):
    return {"spec": fields}


@pytest.mark.parametrize(
    ("current", "patch", "expected", "shape"),
    [
        (
            spec(containers=[{"name": "a", "image": "1"}, {"name": "b"}]),
            spec(containers=[{"name": "a", "$patch": "delete"}]),
            spec(containers=[{"name": "b"}]),
            POD,
        ),
        (
            spec(containers=[{"name": "a"}]),
            spec(containers=[{"$patch": "replace"}, {"name": "z"}]),
            spec(containers=[{"name": "z"}]),
            POD,
        ),
        (
            spec(containers=[{"name": "a"}, {"name": "b"}]),
            {
                "spec": {
                    "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
                    "containers": [{"name": "c"}],
                }
            },
            spec(containers=[{"name": "b"}, {"name": "c"}, {"name": "a"}]),
            POD,
        ),
        (
            spec(tolerations=[{"key": "a"}]),
            spec(tolerations=[{"key": "b"}]),
            spec(tolerations=[{"key": "b"}]),
            POD,
        ),
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["c"]}},
            {"metadata": {"finalizers": ["a", "b", "c"]}},
            POD,
        ),
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}},
            POD,
        ),
        (
            spec(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
            spec(strategy={"$retainKeys": ["type"], "type": "Recreate"}),
            spec(strategy={"type": "Recreate"}),
            DEPLOYMENT,
        ),
        (
            spec(ports=[{"port": 80, "protocol": "TCP", "name": "a"}]),
            spec(ports=[{"port": 80, "nodePort": 30080}, {"port": 81}]),
            spec(ports=[{"port": 80, "protocol": "TCP", "name": "a", "nodePort": 30080}, {"port": 81}]),
            SERVICE,
        ),
        (
            spec(selector={"a": "b"}),
            spec(selector={"$patch": "replace", "c": "d"}),
            spec(selector={"c": "d"}),
            SERVICE,
        ),
        (spec(replicas=1), spec(replicas=None), spec(), DEPLOYMENT),
        (
            {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "x"}]}},
            {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "x"}]}},
            POD,
        ),
    ],
)
def test_strategic_directives(current, patch, expected, shape):
    before = copy.deepcopy(current)
    assert strategic_merge(current, patch, shape) == expected
    assert current == before


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (spec(containers=[{"image": "x"}]), "map: map[image:x] does not contain declared merge key: name"),
        (spec(containers=[{"name": "a", "$patch": "nonsense"}]), "Unknown patch type found: nonsense"),
    ],
)
def test_strategic_mistakes(patch, message):
    with pytest.raises(StatusError, match=r"map|Unknown") as caught:
        strategic_merge(spec(containers=[]), patch, POD)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        (b"{", 400),
        (b"{}", 400),
        (b'[{"op":"remove","path":"/none"}]', 422),
        (b'[{"op":"test","path":"/a","value":2}]', 422),
        (b'[{"op":"what","path":"/a"}]', 422),
    ],
)
def test_json_patch_mistakes(patch, code):
    with pytest.raises(StatusError) as caught:
        json_patch({"a": 1}, patch)
    assert caught.value.code == code


def test_json_patch_leaves_the_original():
    target = {"a": {"b": 1}}
    assert json_patch(target, b'[{"op":"replace","path":"/a/b","value":2}]') == {"a": {"b": 2}}
    assert target == {"a": {"b": 1}}


def test_go_text():
    assert go_text({"b": [1, None], "a": True}) == "map[a:true b:[1 <nil>]]"
