"""Server-side apply: owners, conflicts, removal; and its laws."""

from __future__ import annotations

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.twin.api.patching.applying import apply_configuration
from lab_helpers.twin.api.patching.field_sets import fields_of, from_fields_v1, path_text, to_fields_v1
from lab_helpers.twin.api.patching.managed_fields import Manager, Managers, owned, track_update
from lab_helpers.twin.api.schemas.builtin import builtin_shape
from lab_helpers.twin.objects.errors import StatusError

POD = builtin_shape("", "Pod")
SERVICE = builtin_shape("", "Service")
NOW = "2026-01-01T00:00:00Z"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def deployment(**spec):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    body = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": body}


def apply(live, configuration, managers, name, *, force=False):
    manager = Manager(name, "Apply", "v1")
    return apply_configuration(live, configuration, POD, managers, manager, NOW, force=force, has_status=True)


maps = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)
containers = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"image": st.sampled_from("xy")}),
    unique_by=lambda item: item["name"],
    max_size=3,
)
configurations = st.builds(
    lambda labels, items: {"metadata": {"labels": labels}, "spec": {"containers": items}}, maps, containers
)


@given(configurations)
def test_sets_survive_their_wire_form(configuration):
    paths = fields_of(configuration, POD)
    assert from_fields_v1(to_fields_v1(paths)) == paths


@given(configurations, configurations)
def test_applying_twice_changes_nothing(live, configuration):
    first = apply(live, configuration, Managers(), "one")
    again = apply(first.item, configuration, first.managers, "one")
    assert again.item == first.item
    assert again.managers.entries() == first.managers.entries()


@given(configurations, configurations)
def test_what_one_owner_stops_stating_goes(first, second):
    start = apply({}, first, Managers(), "one")
    then = apply(start.item, second, start.managers, "one")
    assert (then.item.get("metadata") or {}).get("labels", {}) == second["metadata"]["labels"]
    names = {item["name"] for item in (then.item.get("spec") or {}).get("containers", [])}
    assert names == {item["name"] for item in second["spec"]["containers"]}


@given(configurations, configurations)
def test_force_always_wins_and_ends_the_other_ownership(first, second):
    start = apply({}, first, Managers(), "one")
    then = apply(start.item, second, start.managers, "two", force=True)
    for key, value in second["metadata"]["labels"].items():
        assert then.item["metadata"]["labels"][key] == value
    same = {k for k, v in first["metadata"]["labels"].items() if second["metadata"]["labels"].get(k, v) == v}
    mine = {
        path[2][2:]
        for path in owned(then.managers, but=Manager("two", "Apply", "v1"))
        if path[1:2] == ("f:labels",) and len(path) > 2
    }
    assert mine == same


@given(configurations, configurations)
def test_a_conflict_changes_nothing(first, second):
    start = apply({}, first, Managers(), "one")
    before = copy.deepcopy((start.item, start.managers.entries()))
    with contextlib.suppress(StatusError):
        apply(start.item, second, start.managers, "two")
    assert (start.item, start.managers.entries()) == before


def test_two_owners_through_the_server(ask):
    assert ask.apply(f"{DEPLOYMENTS}/d", deployment(replicas=2), "alice").status == 201
    refused = ask.apply(f"{DEPLOYMENTS}/d", deployment(replicas=3), "bob")
    assert refused.status == 409
    assert refused.body["message"] == 'Apply failed with 1 conflict: conflict with "alice": .spec.replicas'
    assert refused.body["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    assert ask.apply(f"{DEPLOYMENTS}/d", deployment(replicas=3), "bob", force=True).body["spec"]["replicas"] == 3
    # alice gives replicas up by not stating them; bob still has them
    kept = ask.apply(f"{DEPLOYMENTS}/d", deployment(), "alice")
    assert kept.body["spec"]["replicas"] == 3


def test_several_conflicts_are_listed_by_owner(ask):
    ask.apply(f"{DEPLOYMENTS}/d", deployment(replicas=2, minReadySeconds=1), "alice")
    message = ask.apply(f"{DEPLOYMENTS}/d", deployment(replicas=3, minReadySeconds=2), "bob").body["message"]
    assert message == (
        'Apply failed with 2 conflicts: conflicts with "alice":\n- .spec.minReadySeconds\n- .spec.replicas'
    )


def test_updates_own_what_they_change(ask):
    ask.apply(f"{DEPLOYMENTS}/d", deployment(replicas=2), "alice")
    ask.patch(f"{DEPLOYMENTS}/d/scale?fieldManager=scaler", {"spec": {"replicas": 5}})
    message = ask.apply(f"{DEPLOYMENTS}/d", deployment(replicas=2), "alice").body["message"]
    assert message == (
        'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas'
    )


def test_keys_of_lists_come_from_defaults(ask):
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    ports = [{"port": 53, "protocol": "UDP", "name": "u"}, {"port": 53, "name": "t"}]
    path = "/api/v1/namespaces/default/services/s"
    assert ask.apply(path, {**body, "spec": {"ports": ports}}, "alice").status == 201
    found = ask.apply(path, {**body, "spec": {"ports": ports[1:]}}, "alice").body["spec"]["ports"]
    assert [(port["port"], port["protocol"]) for port in found] == [(53, "TCP")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"foo": 1}, ".spec.foo: field not declared in schema"),
        ({"replicas": "x"}, ".spec.replicas: expected numeric (int or float), got string"),
    ],
)
def test_configurations_that_do_not_fit(ask, change, message):
    answer = ask.apply(f"{DEPLOYMENTS}/d", deployment(**change), "alice")
    assert answer.status == 500
    assert answer.body["message"] == (
        f"failed to create typed patch object (default/d; apps/v1, Kind=Deployment): {message}"
    )


def test_apply_needs_an_owner(ask):
    answer = ask("PATCH", f"{DEPLOYMENTS}/d", deployment(), content_type="application/apply-patch+yaml")
    assert "fieldManager: Required value" in answer.body["message"]


def test_yaml_is_read_too(ask):
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {since: '2026-01-01'}\n"
    path = "/api/v1/namespaces/default/configmaps/y?fieldManager=a"
    assert ask("PATCH", path, text, content_type="application/apply-patch+yaml").body["data"]["since"] == "2026-01-01"


def test_paths_read_like_kubectls():
    path = ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name")
    assert path_text(path) == '.spec.ports[port=80,protocol="TCP"].name'
    assert path_text(("f:metadata", "f:finalizers", 'v:"a"')) == '.metadata.finalizers[="a"]'


def test_an_update_takes_ownership_away():
    managers = Managers()
    one, two = Manager("one", "Update", "v1"), Manager("two", "Update", "v1")
    before, after = {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "2"}}}
    track_update(managers, {"metadata": {}}, before, SERVICE, one, NOW, has_status=True)
    track_update(managers, before, after, SERVICE, two, NOW, has_status=True)
    assert [entry["manager"] for entry in managers.entries()] == ["one", "two"]
    assert ("f:metadata", "f:labels", "f:a") in managers.fields[two]
    assert ("f:metadata", "f:labels", "f:a") not in managers.fields[one]
