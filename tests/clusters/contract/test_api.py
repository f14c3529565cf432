"""The Kubernetes API by the official client: what labs, checks and backends do with it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client import ApiClient, ApiException
from kubernetes.stream import portforward, stream

from lab_helpers.clusters.upgrading import authorization, close_websocket
from lab_helpers.course.api import Api, Resource
from lab_helpers.course.errors import ApiError
from lab_helpers.course.workloads import running_pod
from tests.clusters.contract.stages import Shop, eventually


def config_map(shop: Shop, name: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": shop.main, "labels": {"made-by": "contract"}},
        "data": data,
    }


def test_discovery_names_the_kinds_of_the_course(api: Api) -> None:
    groups = {group["name"] for group in api.read("/apis")["groups"]}
    assert {"apps", "batch", "discovery.k8s.io", "networking.k8s.io", "cilium.io"} <= groups
    plurals = {item["name"] for item in api.read("/apis/cilium.io/v2")["resources"]}
    assert {
        "ciliumnetworkpolicies",
        "ciliumclusterwidenetworkpolicies",
        "ciliumendpoints",
        "ciliumidentities",
        "ciliumnodes",
    } <= plurals


def test_an_object_from_creation_to_deletion(core: client.CoreV1Api, shop: Shop) -> None:
    created = core.create_namespaced_config_map(shop.main, config_map(shop, "life", colour="red"))
    assert created.metadata.uid
    with pytest.raises(ApiException) as twice:
        core.create_namespaced_config_map(shop.main, config_map(shop, "life"))
    assert (twice.value.status, json.loads(twice.value.body)["reason"]) == (409, "AlreadyExists")

    patched = core.patch_namespaced_config_map("life", shop.main, {"data": {"size": "large", "colour": None}})
    assert patched.data == {"size": "large"}
    assert patched.metadata.resource_version != created.metadata.resource_version
    with pytest.raises(ApiException) as stale:
        core.replace_namespaced_config_map(
            "life",
            shop.main,
            {
                **config_map(shop, "life"),
                "metadata": {"name": "life", "resourceVersion": created.metadata.resource_version},
            },
        )
    assert stale.value.status == 409

    core.delete_namespaced_config_map("life", shop.main)
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("life", shop.main)
    assert (gone.value.status, json.loads(gone.value.body)["reason"]) == (404, "NotFound")


def test_lists_are_selected_and_cut_into_pages(
    core: client.CoreV1Api, shop: Shop, made: Callable[[Resource], Resource]
) -> None:
    for name in ("page-a", "page-b", "page-c"):
        made(config_map(shop, name))
    first = core.list_namespaced_config_map(shop.main, label_selector="made-by=contract", limit=2)
    assert [item.metadata.name for item in first.items] == ["page-a", "page-b"]
    rest = core.list_namespaced_config_map(
        shop.main, label_selector="made-by=contract", limit=2, _continue=first.metadata._continue
    )
    assert [item.metadata.name for item in rest.items] == ["page-c"]
    by_field = core.list_namespaced_config_map(shop.main, field_selector="metadata.name=page-b")
    assert [item.metadata.name for item in by_field.items] == ["page-b"]


def test_a_watch_tells_each_change_in_order(core: client.CoreV1Api, shop: Shop) -> None:
    version = core.list_namespaced_config_map(shop.main).metadata.resource_version
    seen: list[tuple[str, Any]] = []

    def look() -> None:
        for event in watch.Watch().stream(
            core.list_namespaced_config_map,
            shop.main,
            field_selector="metadata.name=watched",
            resource_version=version,
            timeout_seconds=120,
        ):
            seen.append((event["type"], event["object"].data))
            if event["type"] == "DELETED":
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    core.create_namespaced_config_map(shop.main, config_map(shop, "watched", step="1"))
    core.patch_namespaced_config_map("watched", shop.main, {"data": {"step": "2"}})
    core.delete_namespaced_config_map("watched", shop.main)
    watcher.join(120)
    assert seen == [("ADDED", {"step": "1"}), ("MODIFIED", {"step": "2"}), ("DELETED", {"step": "2"})]


def test_server_side_apply_knows_whose_a_field_is(
    core: client.CoreV1Api, api: Api, shop: Shop, made: Callable[[Resource], Resource]
) -> None:
    made(config_map(shop, "owned", ours="1"))
    theirs = json.dumps(config_map(shop, "owned", ours="2", theirs="2"))

    def apply(**options: Any) -> Any:
        return core.patch_namespaced_config_map(
            "owned",
            shop.main,
            json.loads(theirs),
            field_manager="contract",
            _content_type="application/apply-patch+yaml",
            **options,
        )

    with pytest.raises(ApiException) as conflict:
        apply()
    assert conflict.value.status == 409
    assert 'conflict with "cilium-labs"' in json.loads(conflict.value.body)["message"]
    assert apply(force=True).data == {"ours": "2", "theirs": "2"}
    managers = {entry.manager for entry in apply(force=True).metadata.managed_fields}
    assert "contract" in managers


def test_a_dry_run_changes_nothing(core: client.CoreV1Api, shop: Shop) -> None:
    core.create_namespaced_config_map(shop.main, config_map(shop, "dry"), dry_run="All")
    names = [item.metadata.name for item in core.list_namespaced_config_map(shop.main).items]
    assert "dry" not in names


@pytest.mark.parametrize(
    ("resource", "status", "words"),
    [
        ({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "Capital"}}, 422, "Capital"),
        (
            {
                "kind": "Service",
                "apiVersion": "v1",
                "metadata": {"name": "portless"},
                "spec": {"ports": [{"port": 700000}]},
            },
            422,
            "spec.ports[0].port",
        ),
    ],
    ids=["name", "port"],
)
def test_what_is_invalid_is_refused_with_the_field(
    api: Api, shop: Shop, resource: dict[str, Any], status: int, words: str
) -> None:
    placed = {**resource, "metadata": {**resource["metadata"], "namespace": shop.main}}
    with pytest.raises(ApiError) as refused:
        api.apply(placed)
    assert refused.value.status == status
    assert words in str(refused.value)


def test_a_command_runs_in_a_pod(core: client.CoreV1Api, api: Api, shop: Shop) -> None:
    pod = running_pod(api, shop.workload("frontend"))
    session = stream(
        core.connect_get_namespaced_pod_exec,
        pod.name,
        pod.namespace,
        command=["sh", "-c", "read line; echo out $line; echo err >&2; exit 3"],
        stdin=True,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )
    session.write_stdin("hello\n")
    session.run_forever(timeout=120)
    assert (session.read_stdout(), session.read_stderr()) == ("out hello\n", "err\n")
    assert session.returncode == 3
    close_websocket(session.sock)


def test_a_missing_program_is_told_from_a_failing_one(api: Api, shop: Shop) -> None:
    pod = running_pod(api, shop.workload("frontend"))
    assert api.execute(pod.namespace, pod.name, ["sh", "-c", "exit 7"]).exit_code == 7
    assert api.execute(pod.namespace, pod.name, ["sh", "-c", "no-such-program"]).exit_code == 127


def test_logs_by_tail(core: client.CoreV1Api, api: Api, shop: Shop) -> None:
    server, caller = running_pod(api, shop.workload("backend")), running_pod(api, shop.workload("frontend"))
    mark = "/api/v1/products?mark=contract"

    def log() -> str:
        # asked for each time: the lines of the probes push it out of the last twenty when it is not looked for at once
        api.execute(caller.namespace, caller.name, ["curl", "-s", "--max-time", "5", f"http://{server.ip}:8080{mark}"])
        return str(core.read_namespaced_pod_log(server.name, server.namespace, tail_lines=20))

    assert mark in eventually(log, lambda text: mark in text)
    assert len(core.read_namespaced_pod_log(server.name, server.namespace, tail_lines=1).splitlines()) <= 1


def test_a_port_is_forwarded(core: client.CoreV1Api, api: Api, shop: Shop) -> None:
    pod = running_pod(api, shop.workload("redis"))
    forwarded = portforward(core.connect_get_namespaced_pod_portforward, pod.name, pod.namespace, ports="6379")
    remote: socket.socket = forwarded.socket(6379)
    remote.settimeout(120)
    remote.sendall(b"PING\r\n")
    assert remote.recv(16) == b"+PONG\r\n"
    remote.close()
    for thread in threading.enumerate():  # it ends the connection, and leaves it to us if the other end was quicker
        if thread.name == "Kubernetes port forward proxy: 6379":
            thread.join()
    close_websocket(forwarded.websocket)


def test_a_pod_and_a_service_answer_through_the_proxy(api: Api, shop: Shop) -> None:
    pod = running_pod(api, shop.workload("backend"))
    by_pod = api.read(f"/api/v1/namespaces/{shop.main}/pods/{pod.name}:8080/proxy/api/v1/products")
    by_service = api.read(f"/api/v1/namespaces/{shop.main}/services/backend:http-api/proxy/api/v1/products")
    assert by_pod == by_service
    assert by_pod


def test_a_scale_is_read_and_written(official: ApiClient, api: Api, shop: Shop) -> None:
    apps = client.AppsV1Api(official)
    assert apps.read_namespaced_deployment_scale("redis", shop.main).spec.replicas == 1
    with pytest.raises(ApiException):
        apps.patch_namespaced_deployment_scale("redis", shop.main, {"spec": {"replicas": -1}})


def test_the_server_says_its_version_and_that_it_is_ready(official: ApiClient, api: Api) -> None:
    version = client.VersionApi(official).get_code()
    assert version.git_version.startswith("v1.")
    assert api.version() == version.git_version
    ready = official.rest_client.pool_manager.request(
        "GET", official.configuration.host + "/readyz", headers=authorization(official.configuration)
    )
    assert ready.data == b"ok"
