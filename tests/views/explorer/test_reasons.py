"""Why a flow was allowed or denied, by the policy engine, over objects of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from lab_helpers.clusters import policy_inputs
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.policy.inventories import Inventory, Object, build_inventory
from lab_helpers.views.explorer.reasons import reason

POLICY = {
    "kind": "CiliumNetworkPolicy",
    "apiVersion": "cilium.io/v2",
    "metadata": {"name": "backend", "namespace": "shop"},
    "spec": {
        "endpointSelector": {"matchLabels": {"app": "backend"}},
        "ingress": [
            {
                "fromEndpoints": [{"matchLabels": {"app": "frontend"}}],
                "toPorts": [
                    {
                        "ports": [{"port": "8080", "protocol": "TCP"}],
                        "rules": {"http": [{"method": "GET", "path": "/api"}]},
                    }
                ],
            }
        ],
    },
}


def pod(name: str) -> dict[str, Any]:
    metadata = {"name": f"{name}-1", "namespace": "shop", "labels": {"app": name}}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"containers": []}, "status": {}}


@pytest.fixture(autouse=True)
def inventory(monkeypatch: pytest.MonkeyPatch) -> Inventory:
    namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop"}}
    found = build_inventory([Object(item) for item in (namespace, pod("frontend"), pod("backend"), POLICY)])
    monkeypatch.setattr(policy_inputs, "read_cluster", lambda _cluster: found)
    return found


def flow(source: str, target: str, verdict: str, *, reply: bool | None = False) -> flow_pb2.Flow:
    made = flow_pb2.Flow(verdict=flow_pb2.Verdict.Value(verdict))
    made.event_type.type = 4
    for end, name, numeric in ((made.source, source, 1001), (made.destination, target, 1002)):
        end.namespace, end.pod_name, end.identity = "shop", f"{name}-1", numeric
        end.labels.extend([f"k8s:app={name}", "k8s:io.kubernetes.pod.namespace=shop"])
        end.labels.append("k8s:io.cilium.k8s.policy.cluster=default")
    made.IP.source, made.IP.destination = "10.0.0.1", "10.0.0.2"
    made.l4.TCP.source_port, made.l4.TCP.destination_port = (8080, 40000) if reply else (40000, 8080)
    if reply is not None:
        made.is_reply.value = reply
    return made


def test_an_allowed_connection_names_the_rule() -> None:
    panel = reason(None, flow("frontend", "backend", "FORWARDED"))  # type: ignore[arg-type]
    assert panel.mark == "allowed"
    assert "CiliumNetworkPolicy/shop/backend spec.ingress[0]" in panel.text()


def test_a_reply_is_explained_as_the_connection_it_belongs_to() -> None:
    panel = reason(None, flow("backend", "frontend", "FORWARDED", reply=True))  # type: ignore[arg-type]
    assert panel.mark == "allowed"
    assert "shop/frontend-1 → shop/backend-1 8080/TCP" in panel.text()


def test_a_default_deny_says_what_switched_it_on() -> None:
    panel = reason(None, flow("intruder", "backend", "DROPPED"))  # type: ignore[arg-type]
    assert panel.mark == "denied"
    assert "default deny is on because of CiliumNetworkPolicy/shop/backend" in panel.text()


def test_a_request_is_judged_as_the_proxy_would() -> None:
    asked = flow("frontend", "backend", "DROPPED")
    asked.l7.type, asked.l7.http.method, asked.l7.http.url = flow_pb2.REQUEST, "GET", "http://backend:8080/admin"
    panel = reason(None, asked)  # type: ignore[arg-type]
    assert panel.mark == "denied"
    assert "GET /admin matches no rule" in panel.text()


def test_policies_that_changed_since_are_mentioned() -> None:
    panel = reason(None, flow("frontend", "backend", "DROPPED"))  # type: ignore[arg-type]
    assert "changed since" in panel.text()


def test_what_policy_does_not_decide_is_said() -> None:
    panel = reason(None, flow("frontend", "backend", "FORWARDED", reply=None))  # type: ignore[arg-type]
    assert panel.mark == "not a decision"
