"""CustomResourceDefinitions and the objects they define."""

from __future__ import annotations

import pytest

from lab_helpers.twin.api import build_app
from lab_helpers.twin.api.crds import cilium_crds
from lab_helpers.twin.api.crds.expressions import check_rules
from lab_helpers.twin.api.crds.formats import matches_format
from lab_helpers.twin.api.crds.structural import apply_defaults, validate

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
CNPS = "/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies"


def widget_crd(**changes):
    spec_schema = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9},
            "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "tags": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
            "replicas": {"type": "integer"},
        },
    }
    schema = {
        "type": "object",
        "properties": {"spec": spec_schema, "status": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.n"},
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    names = {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]}
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version], **changes}
    return {"metadata": {"name": "widgets.example.com"}, "spec": spec}


def widget(**spec):
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3, **spec}}


@pytest.fixture
def widgets(ask):
    answer = ask("POST", CRDS, widget_crd())
    assert answer.status == 201, answer.body
    return ask


def test_a_definition_is_established_and_served(widgets):
    found = widgets("GET", f"{CRDS}/widgets.example.com").body
    assert {c["type"]: c["status"] for c in found["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    assert found["spec"]["names"]["singular"] == "widget"
    resources = widgets("GET", "/apis/example.com/v1").body["resources"]
    assert [entry["name"] for entry in resources] == ["widgets", "widgets/scale", "widgets/status"]
    assert widgets("GET", WIDGETS).body["kind"] == "WidgetList"


def test_objects_are_pruned_and_completed(widgets):
    answer = widgets("POST", f"{WIDGETS}?fieldValidation=Warn", widget(extra=1, free={"any": [1]}))
    assert answer.status == 201
    assert answer.body["spec"] == {"size": 3, "colour": "red", "free": {"any": [1]}}
    assert answer.warnings == ['unknown field "spec.extra"']


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"size": "x"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"size": 10}, "spec.size in body should be less than or equal to 9"),
        ({"colour": "green"}, 'spec.colour: Unsupported value: "green": supported values: "red", "blue"'),
        ({"tags": ["a", "b", "c"]}, "spec.tags: Too many: 3: must have at most 2 items"),
    ],
)
def test_objects_are_validated(widgets, spec, message):
    answer = widgets("POST", WIDGETS, widget(**spec))
    assert answer.status == 422
    assert message in answer.body["message"]


def test_missing_fields(widgets):
    body = widget()
    del body["spec"]["size"]
    assert widgets("POST", WIDGETS, body).body["message"] == (
        'Widget.example.com "w" is invalid: spec.size: Required value'
    )


def test_subresources_of_custom_objects(widgets):
    widgets("POST", WIDGETS, {**widget(replicas=2), "status": {"n": 9}})
    assert "status" not in widgets("GET", f"{WIDGETS}/w").body
    assert widgets.patch(f"{WIDGETS}/w/status", {"status": {"n": 1}}).body["status"] == {"n": 1}
    assert widgets.patch(f"{WIDGETS}/w/scale", {"spec": {"replicas": 5}}).body["status"]["replicas"] == 1
    found = widgets("GET", f"{WIDGETS}/w").body
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (5, 2)
    refused = widgets.patch(f"{WIDGETS}/w", {}, "strategic-merge-patch+json")
    assert refused.status == 415


def test_columns(widgets):
    widgets("POST", WIDGETS, widget())
    table = widgets("GET", WIDGETS, accept="application/json;as=Table;v=v1;g=meta.k8s.io").body
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size", "Ready", "Age"]
    assert table["rows"][0]["cells"] == ["w", 3, None, "0s"]


def test_what_a_new_schema_does_not_know_is_not_read_any_more(widgets):
    before = widgets("POST", WIDGETS, widget(colour="blue", tags=["a"])).body
    crd = widgets("GET", f"{CRDS}/widgets.example.com").body
    del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["tags"]
    assert widgets("PUT", f"{CRDS}/widgets.example.com", crd).status == 200
    after = widgets("GET", f"{WIDGETS}/w").body
    assert after["spec"] == {"size": 3, "colour": "blue"}
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_deleting_the_definition_takes_everything_along(widgets):
    widgets("POST", WIDGETS, widget())
    assert widgets("DELETE", f"{CRDS}/widgets.example.com").status == 200
    assert widgets("GET", WIDGETS).status == 404
    assert widgets.registry.storage.list("widgets.example.com") == []


def test_definitions_are_served_again_after_a_restart(widgets):
    from lab_helpers.twin.objects.kinds import Kinds
    from lab_helpers.twin.objects.registry import Registry

    registry = Registry(widgets.registry.storage, Kinds(), widgets.registry.clock)
    build_app(registry, widgets.server.workloads, token="x")
    assert registry.kinds.get("widgets.example.com") is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": "other.com"}, 'metadata.name: Invalid value: "widgets.example.com": must be spec.names.plural+"."'),
        ({"scope": "Some"}, 'spec.scope: Unsupported value: "Some": supported values: "Cluster", "Namespaced"'),
        ({"versions": []}, "spec.versions: Required value"),
        ({"versions": [{"name": "v1", "served": True, "storage": True}]}, "schemas are required"),
    ],
)
def test_bad_definitions(ask, changes, message):
    answer = ask("POST", CRDS, widget_crd(**changes))
    assert answer.status == 422
    assert message in answer.body["message"]


# --- Cilium's own ---


def rule(**fields):
    spec = {"endpointSelector": {}, **fields}
    return {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    "fields",
    [
        {"ingress": []},
        {"ingress": [{}]},
        {"ingress": [{"fromEntities": ["cluster-mesh", "world"]}]},
        {"egress": [{"toFQDNs": [{"matchPattern": "*.example.com"}], "toPorts": [{"ports": [{"port": "443"}]}]}]},
        {
            "egress": [
                {"toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}]}
            ]
        },
        {"ingress": [{"icmps": [{"fields": [{"type": "EchoRequest"}, {"type": 8}]}]}]},
        {"egressDeny": [{"toCIDRSet": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}]}]},
    ],
)
def test_policies_that_cilium_takes(cilium, fields):
    answer = cilium("POST", CNPS, rule(**fields))
    assert answer.status == 201, answer.body


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, '"spec" must validate at least one schema (anyOf)'),
        ({"nodeSelector": {}, "ingress": []}, "schema (oneOf). Found 2 valid alternatives"),
        ({"ingress": [{"fromEntities": ["world-ipv4"]}]}, 'fromEntities[0]: Unsupported value: "world-ipv4"'),
        ({"ingress": [{"fromCIDR": ["10.0.0.1"]}]}, 'must be of type cidr: "10.0.0.1"'),
        ({"ingress": [{"fromRequires": ["x"]}]}, "fromRequires: Too many: 1: must have at most 0 items"),
        ({"ingress": [{"toPorts": [{"ports": [{"port": "80"}] * 41}]}]}, "ports: Too many: 41: must have at most 40"),
        ({"ingress": [{"toPorts": [{"ports": [{"port": "-"}]}]}]}, "should match '^(6553[0-5]"),
        (
            {"ingress": [{"toPorts": [{"rules": {"http": [{}], "dns": [{"matchName": "a"}]}}]}]},
            'rules" must validate one and only one schema (oneOf). Found 2 valid alternatives',
        ),
    ],
)
def test_policies_that_the_api_server_refuses(cilium, fields, message):
    answer = cilium("POST", CNPS, rule(**fields))
    assert answer.status == 422
    assert message in answer.body["message"]


def test_a_policy_needs_a_spec(cilium):
    body = rule()
    del body["spec"]
    assert cilium("POST", CNPS, body).body["message"].endswith("spec or specs must be provided")


def test_versions_differ_where_cilium_does():
    def policy_schema(version):
        crd = next(c for c in cilium_crds(version) if c["metadata"]["name"].startswith("ciliumnetworkpolicies"))
        return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]

    old, new = policy_schema("1.19.8"), policy_schema("1.20.2")

    def rules(schema):
        return set(schema["ingress"]["items"]["properties"]["toPorts"]["items"]["properties"]["rules"]["properties"])

    def entities(schema):
        return schema["ingress"]["items"]["properties"]["fromEntities"]["items"]["enum"]

    assert rules(old) - rules(new) == {"kafka", "l7", "l7proto"}
    assert set(entities(new)) - set(entities(old)) == {"cluster-mesh"}


@pytest.mark.parametrize("version", ["1.19.8", "1.20.2"])
def test_all_definitions_are_accepted(ask, version):
    for crd in cilium_crds(version):
        answer = ask("POST", CRDS, crd)
        assert answer.status == 201, (crd["metadata"]["name"], answer.body)


# --- the parts ---


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ipv4", "1.2.3.4", "1.2.3"),
        ("ipv6", "::1", "1.2.3.4"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("date-time", "2026-01-01T00:00:00Z", "yesterday"),
        ("date", "2026-01-01", "2026-13-01"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
        ("duration", "1h30m", "soon"),
        ("byte", "YQ==", "?"),
        ("mac", "00:11:22:33:44:55", "00:11"),
        ("hostname", "a.example.com", "a..b"),
    ],
)
def test_formats(name, good, bad):
    assert matches_format(name, good)
    assert not matches_format(name, bad)


def test_unknown_formats_always_match():
    assert matches_format("idn-hostname", "anything at all")


@pytest.mark.parametrize(
    ("pattern", "good", "bad"), [(r"^[[:alpha:]]+$", "abc", "abc\n"), (r"^\PC*$", "plain", "a\x01")]
)
def test_patterns_are_gos(pattern, good, bad):
    schema = {"type": "string", "pattern": pattern}
    assert not validate(good, schema).errors
    assert "should match" in validate(bad, schema).errors[0][1]


def test_defaults_go_deep():
    schema = {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer", "default": 1}}}}
    value = [{}, {"a": None}, {"a": 2}]
    apply_defaults(value, schema)
    assert value == [{"a": 1}, {"a": 1}, {"a": 2}]


def test_rules_about_changes_only_hold_for_changes():
    schema = {"type": "integer", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is fixed"}]}
    around = {"type": "object", "properties": {"a": schema}}
    assert check_rules({"a": 1}, around) == []
    assert check_rules({"a": 2}, around, old={"a": 1}) == [
        ("FieldValueInvalid", 'Invalid value: "integer": is fixed', "a")
    ]


def test_rules_in_the_whole_language_need_cel():
    pytest.importorskip("celpy")
    schema = {"type": "object", "x-kubernetes-validations": [{"rule": "self.a < self.b"}]}
    assert check_rules({"a": 1, "b": 2}, schema) == []
    assert check_rules({"a": 3, "b": 2}, schema) == [
        ("FieldValueInvalid", 'Invalid value: "object": failed rule: self.a < self.b', "<nil>")
    ]


@pytest.mark.parametrize(("value", "valid"), [("", True), ("10.0.0.1", True), ("::1", True), ("ten", False)])
def test_addresses_in_rules(value, valid):
    schema = {"type": "string", "x-kubernetes-validations": [{"rule": "self == '' || isIP(self)", "message": "bad"}]}
    assert (check_rules(value, schema, "ip") == []) is valid


def test_duplicate_keys_of_lists():
    schema = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["n"],
        "items": {"type": "object"},
    }
    assert validate([{"n": 1}, {"n": 1}], schema, "x").errors == [
        ("FieldValueDuplicate", 'Duplicate value: {"n":1}', "x[1]")
    ]
