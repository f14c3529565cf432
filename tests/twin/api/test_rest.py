"""Reading and writing without a network: documents, lists, pages, versions, refusals."""

from __future__ import annotations

import asyncio
import json

import pytest

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def config_map(name, **labels):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/apis/apps/v1", "APIResourceList"),
        ("/api/v1", "APIResourceList"),
    ],
)
def test_discovery_documents(ask, path, kind):
    answer = ask("GET", path)
    assert answer.status == 200
    assert answer.body["kind"] == kind


def test_aggregated_discovery_has_everything_at_once(ask):
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    response = asyncio.run(ask.server.respond(ask.call("GET", "/apis", accept=accept)))
    assert response.content_type == accept.split(",")[0]
    found = {item["metadata"]["name"]: item["versions"][0]["resources"] for item in json.loads(response.body)["items"]}
    deployments = next(entry for entry in found["apps"] if entry["resource"] == "deployments")
    assert deployments["shortNames"] == ["deploy"]
    assert [sub["subresource"] for sub in deployments["subresources"]] == ["scale", "status"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/foos", 404),
        ("GET", "/apis/none/v1/foos", 404),
        ("GET", f"{PODS}/none", 404),
        ("POST", "/api/v1/pods", 405),
        ("PUT", CONFIG_MAPS, 405),
        ("GET", f"{PODS}?limit=x", 400),
        ("GET", f"{PODS}?labelSelector=a~b", 400),
        ("GET", f"{PODS}?fieldSelector=spec.foo=1", 400),
        ("GET", f"{PODS}?continue=nonsense", 400),
        ("GET", f"{PODS}?resourceVersion=999999", 504),
        ("GET", f"{PODS}/none/log", 404),
        ("GET", f"{PODS}/none/foo", 404),
        ("GET", "/api/v1/namespaces/default/status", 200),
        ("GET", "/api/v1/namespaces/default", 200),
    ],
)
def test_status_codes(ask, method, path, status):
    assert ask(method, path, {} if method in ("POST", "PUT") else None).status == status


def test_unknown_paths_are_plain_text(ask):
    assert ask("GET", "/api/v1/foos").body == "404 page not found\n"


def test_create_gives_uid_version_and_owner_of_fields(ask):
    answer = ask("POST", CONFIG_MAPS, config_map("one", app="shop"))
    metadata = answer.body["metadata"]
    assert answer.status == 201
    assert metadata["uid"]
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["managedFields"][0]["manager"] == "tests"
    assert ask("POST", CONFIG_MAPS, config_map("one")).body["reason"] == "AlreadyExists"


def test_generate_name(ask):
    body = {"metadata": {"generateName": "x-"}}
    names = {ask("POST", CONFIG_MAPS, body).body["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


def test_pages_are_of_one_moment(ask):
    for name in "abcde":
        ask("POST", CONFIG_MAPS, config_map(name))
    first = ask("GET", f"{CONFIG_MAPS}?limit=2").body
    assert first["metadata"]["remainingItemCount"] == 3
    ask("DELETE", f"{CONFIG_MAPS}/d")
    ask("POST", CONFIG_MAPS, config_map("z"))
    names, token = [item["metadata"]["name"] for item in first["items"]], first["metadata"]["continue"]
    while token:
        page = ask("GET", f"{CONFIG_MAPS}?limit=2&continue={token}").body
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
    assert names == list("abcde")


def test_a_negative_limit_is_none(ask):
    for name in "ab":
        ask("POST", CONFIG_MAPS, config_map(name))
    answer = ask("GET", f"{CONFIG_MAPS}?limit=-1")
    assert (answer.status, [item["metadata"]["name"] for item in answer.body["items"]]) == (200, ["a", "b"])


def test_what_is_empty_in_the_metadata_is_not_kept(ask):
    body = config_map("one")
    body["metadata"] |= {"annotations": {}, "finalizers": [], "labels": {"a": ""}}
    metadata = ask("POST", CONFIG_MAPS, body).body["metadata"]
    assert {"annotations", "finalizers"}.isdisjoint(metadata)
    assert metadata["labels"] == {"a": ""}


def test_what_is_being_deleted_takes_no_new_finalizers(ask):
    body = config_map("held")
    body["metadata"]["finalizers"] = ["example.com/one"]
    ask("POST", CONFIG_MAPS, body)
    more = ask("DELETE", f"{CONFIG_MAPS}/held").body
    assert more["metadata"]["deletionTimestamp"]
    more["metadata"]["finalizers"] = ["example.com/one", "example.com/two"]
    answer = ask("PUT", f"{CONFIG_MAPS}/held", more)
    assert answer.status == 422
    assert 'found new finalizers []string{"example.com/two"}' in answer.body["message"]
    more["metadata"]["finalizers"] = []
    assert ask("PUT", f"{CONFIG_MAPS}/held", more).status == 200
    assert ask("GET", f"{CONFIG_MAPS}/held").status == 404


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("resourceVersionMatch=Exact", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ("resourceVersionMatch=Exact&resourceVersion=0", 'is forbidden for resourceVersion "0"'),
        ("resourceVersionMatch=Exact&resourceVersion=1&continue=x", "is forbidden when continue is provided"),
        ("resourceVersionMatch=foo&resourceVersion=1", 'Unsupported value: "foo": supported values: "Exact"'),
    ],
)
def test_options_of_a_list_that_do_not_go_together(ask, options, why):
    answer = ask("GET", f"{CONFIG_MAPS}?{options}")
    assert answer.status == 422
    assert why in answer.body["message"]


def test_exact_version_shows_the_past(ask):
    ask("POST", CONFIG_MAPS, config_map("a"))
    version = ask("GET", CONFIG_MAPS).body["metadata"]["resourceVersion"]
    ask("DELETE", f"{CONFIG_MAPS}/a")
    found = ask("GET", f"{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=Exact").body
    assert [item["metadata"]["name"] for item in found["items"]] == ["a"]


def test_selectors(ask):
    ask("POST", CONFIG_MAPS, config_map("a", tier="web"))
    ask("POST", CONFIG_MAPS, config_map("b", tier="db"))

    def names(query):
        return [item["metadata"]["name"] for item in ask("GET", f"{CONFIG_MAPS}?{query}").body["items"]]

    assert names("labelSelector=tier%3Dweb") == ["a"]
    assert names("labelSelector=tier%20in%20(web,db),tier!%3Dweb") == ["b"]
    assert names("fieldSelector=metadata.name%3Db") == ["b"]
    assert names("fieldSelector=metadata.name!%3Db") == ["a"]


def test_update_needs_the_current_version(ask):
    created = ask("POST", CONFIG_MAPS, config_map("a")).body
    changed = {**created, "data": {"k": "v"}}
    assert ask("PUT", f"{CONFIG_MAPS}/a", changed).status == 200
    refused = ask("PUT", f"{CONFIG_MAPS}/a", {**changed, "data": {}})
    assert refused.body["reason"] == "Conflict"
    assert refused.body["message"].startswith('Operation cannot be fulfilled on configmaps "a": the object has been')


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_dry_run_changes_nothing(ask, method):
    created = ask("POST", CONFIG_MAPS, config_map("a")).body
    before = ask.registry.storage.revision
    path = CONFIG_MAPS if method == "POST" else f"{CONFIG_MAPS}/a"
    body = config_map("b") if method == "POST" else {**created, "data": {"k": "v"}} if method == "PUT" else {}
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    answer = ask(method, f"{path}?dryRun=All", {"data": {"k": "v"}} if method == "PATCH" else body, content_type=kind)
    assert answer.status < 300
    assert ask.registry.storage.revision == before


@pytest.mark.parametrize(("body", "what"), [(b"[1]", "array"), (b'"x"', "string"), (b"5", "number"), (b"true", "bool")])
@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/strategic-merge-patch+json"])
def test_patches_that_are_no_objects(ask, kind, body, what):
    ask("POST", CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}})
    answer = ask("PATCH", f"{CONFIG_MAPS}/settings", body, content_type=kind)
    assert answer.status == 400
    assert answer.body["message"] == f"json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "json parse error"),
        (b"[]", "cannot unmarshal array"),
        (b'{"kind":"Pod"}', "Object 'apiVersion' is missing"),
        (b'{"apiVersion":"v1"}', "Object 'Kind' is missing"),
        (b'{"apiVersion":"v2","kind":"ConfigMap"}', "does not match the expected API version (v1)"),
        (b'{"apiVersion":"v1","kind":"ConfigMap","data":{"a":1}}', "Go struct field ConfigMap.data of type string"),
        (
            b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","name":"b"}}',
            'duplicate field "metadata.name"',
        ),
    ],
)
def test_bad_bodies(ask, body, message):
    answer = ask("POST", f"{CONFIG_MAPS}?fieldValidation=Strict", body)
    assert answer.status == 400
    assert message in answer.body["message"]


def test_delete_answers_and_preconditions(ask):
    created = ask("POST", CONFIG_MAPS, config_map("a")).body
    wrong = ask("DELETE", f"{CONFIG_MAPS}/a", {"preconditions": {"uid": "other"}})
    assert wrong.status == 409
    right = {"preconditions": {"uid": created["metadata"]["uid"]}}
    assert ask("DELETE", f"{CONFIG_MAPS}/a", right).body["status"] == "Success"
    assert ask("DELETE", f"{CONFIG_MAPS}/a").status == 404


def test_delete_collection(ask):
    for name in "ab":
        ask("POST", CONFIG_MAPS, config_map(name, go="yes"))
    ask("POST", CONFIG_MAPS, config_map("c"))
    gone = ask("DELETE", f"{CONFIG_MAPS}?labelSelector=go%3Dyes").body
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "b"]
    assert len(ask("GET", CONFIG_MAPS).body["items"]) == 1


def test_events_are_one_store_in_two_groups(ask):
    event = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p"}, "message": "hi", "reason": "R"}
    ask("POST", "/api/v1/namespaces/default/events", event)
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    found = ask("GET", f"{path}/e").body
    assert found["apiVersion"] == "events.k8s.io/v1"
    assert found["regarding"]["name"] == "p"
    assert found["note"] == "hi"
    query = "fieldSelector=involvedObject.name%3Dp"
    assert len(ask("GET", f"/api/v1/namespaces/default/events?{query}").body["items"]) == 1


def test_scale_and_eviction(ask):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    assert ask("POST", path, {"metadata": {"name": "d"}, "spec": spec}).status == 201
    scale = ask("GET", f"{path}/d/scale").body
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"]["selector"] == "a=b"
    assert ask.patch(f"{path}/d/scale", {"spec": {"replicas": 4}}).body["spec"]["replicas"] == 4
    assert ask("GET", f"{path}/d").body["spec"]["replicas"] == 4
    assert (
        "must be greater than or equal to 0" in ask.patch(f"{path}/d/scale", {"spec": {"replicas": -1}}).body["message"]
    )
    ask("POST", PODS, {"metadata": {"name": "p"}, "spec": template["spec"]})
    assert ask("POST", f"{PODS}/p/eviction", {"kind": "Eviction", "apiVersion": "policy/v1"}).status == 201
    assert ask("GET", f"{PODS}/p").status == 404


def test_ephemeral_containers_are_only_added(ask):
    ask("POST", PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    path = f"{PODS}/p/ephemeralcontainers"
    kind = "strategic-merge-patch+json"
    one = {"name": "one", "image": "i:1", "targetContainerName": "c"}
    added = ask.patch(path, {"spec": {"ephemeralContainers": [one], "nodeName": "ignored"}}, kind)
    assert added.status == 200
    assert "nodeName" not in added.body["spec"]
    assert added.body["spec"]["ephemeralContainers"][0]["terminationMessagePolicy"] == "File"
    both = ask.patch(path, {"spec": {"ephemeralContainers": [{"name": "two", "image": "i"}]}}, kind)
    assert {item["name"] for item in both.body["spec"]["ephemeralContainers"]} == {"one", "two"}
    for wrong, why in (
        ({"name": "one", "image": "other"}, "may not be changed or removed"),
        ({"name": "c", "image": "i"}, "Duplicate value"),
        ({"name": "x", "image": "i", "targetContainerName": "nope"}, "Not found"),
        ({"name": "x", "image": "i", "ports": [{"containerPort": 1}]}, "cannot be set for an Ephemeral Container"),
    ):
        refused = ask.patch(path, {"spec": {"ephemeralContainers": [wrong]}}, kind)
        assert (refused.status, why in refused.body["message"]) == (422, True), refused.body
    assert ask.patch(f"{PODS}/p", {"spec": {"ephemeralContainers": None}}).status == 422


def test_tokens_of_service_accounts_authenticate(ask, clock):
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    token = ask("POST", path, {"spec": {"expirationSeconds": 600}}).body["status"]["token"]
    user = ask.server.tokens.user(token, clock.now())
    assert user is not None
    assert user.name == "system:serviceaccount:default:default"
    asyncio.run(clock.advance(601))
    assert ask.server.tokens.user(token, clock.now()) is None
    assert ask.server.tokens.user(token[:-2] + "xx", clock.now()) is None
    assert ask.server.tokens.authenticate("Basic abc", clock.now()) is None


def test_openapi_describes_lists_with_their_keys(ask):
    found = ask("GET", "/openapi/v3").body["paths"]["api/v1"]["serverRelativeURL"]
    schemas = ask("GET", found).body["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    assert "containers" in schemas["io.k8s.api.core.v1.PodSpec"]["required"]
    assert ask("GET", "/openapi/v2").body["swagger"] == "2.0"
