"""The official Python client against the server: typed objects, watches, exec and port-forward."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream

# the client's own streams close their sockets when they are collected
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def api(live) -> Iterator[client.ApiClient]:
    loaded = client.Configuration()
    config.load_kube_config(str(live.kubeconfig), client_configuration=loaded)
    with client.ApiClient(loaded) as found:
        yield found
        found.rest_client.pool_manager.clear()


def test_typed_objects_go_in_and_come_back(api):
    core = client.CoreV1Api(api)
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="typed", labels={"a": "b"}), data={"k": "v"})
    created = core.create_namespaced_config_map("default", body)
    assert created.metadata.uid
    found = core.list_namespaced_config_map("default", label_selector="a=b")
    assert [item.metadata.name for item in found.items] == ["typed"]
    core.patch_namespaced_config_map("typed", "default", {"data": {"k": None, "x": "y"}})
    assert core.read_namespaced_config_map("typed", "default").data == {"x": "y"}
    with pytest.raises(client.ApiException) as caught:
        core.create_namespaced_config_map("default", body)
    assert caught.value.status == 409


def test_a_watch_follows_from_a_version(api):
    core = client.CoreV1Api(api)
    version = core.list_namespaced_secret("default").metadata.resource_version
    events = watch.Watch().stream(core.list_namespaced_secret, "default", resource_version=version, timeout_seconds=120)

    def change() -> None:
        with client.ApiClient(api.configuration) as mine:
            secrets = client.CoreV1Api(mine)
            secrets.create_namespaced_secret("default", {"metadata": {"name": "seen"}, "stringData": {"a": "b"}})
            secrets.delete_namespaced_secret("seen", "default")
            mine.rest_client.pool_manager.clear()

    writer = threading.Thread(target=change)
    writer.start()
    seen = []
    for event in events:
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 2:
            break
    events.close()
    writer.join()
    assert seen == [("ADDED", "seen"), ("DELETED", "seen")]
    del events
    gc.collect()


def test_custom_objects(api):
    custom = client.CustomObjectsApi(api)
    spec = {"endpointSelector": {}, "ingress": [{}]}
    body = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "c"}, "spec": spec}
    place = ("cilium.io", "v2", "default", "ciliumnetworkpolicies")
    created = custom.create_namespaced_custom_object(*place, body)
    assert created["metadata"]["generation"] == 1
    patched = custom.patch_namespaced_custom_object(*place, "c", {"spec": {"egress": [{}]}})
    assert patched["metadata"]["generation"] == 2
    status = custom.patch_namespaced_custom_object_status(*place, "c", {"status": {"conditions": []}})
    assert status["metadata"]["generation"] == 2
    custom.delete_namespaced_custom_object(*place, "c")


def test_exec_and_port_forward(api, live):
    live.run_pod("python-client")
    core = client.CoreV1Api(api)
    connect = core.connect_get_namespaced_pod_exec
    out = stream(connect, "python-client", "default", command=["echo", "hello"], stdout=True, stderr=True)
    assert out == "hello\n"
    session = stream(
        connect,
        "python-client",
        "default",
        command=["sh", "-c", "exit 4"],
        stdout=True,
        stderr=True,
        _preload_content=False,
    )
    session.run_forever(timeout=120)
    assert session.returncode == 4
    session.close()
    forward = portforward(core.connect_get_namespaced_pod_portforward, "python-client", "default", ports="80")
    socket = forward.socket(80)
    socket.setblocking(True)
    socket.sendall(b"GET /by-client HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = b""
    while b"you asked for GET /by-client" not in answer:
        data = socket.recv(4096)
        assert data, answer
        answer += data
    socket.close()
    for thread in threading.enumerate():  # it closes the connection; nobody else may while it still looks at it
        if thread.name == "Kubernetes port forward proxy: 80":
            thread.join()
    forward.websocket.shutdown()
    del forward, socket, session
    gc.collect()
