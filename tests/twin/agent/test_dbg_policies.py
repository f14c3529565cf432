"""``cilium-dbg policy get``: entries in the shape of Cilium's ``PolicyEntry``, made from what the agent imported."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab_helpers.twin.agent.dbg.main import dbg_program
from tests.twin.agent.clusters import N1, Cluster
from tests.twin.agent.processes import FakeProcess

NAMESPACE = "k8s.io.kubernetes.pod.namespace"
CLUSTER = "k8s.io.cilium.k8s.policy.cluster"
"""A peer without a cluster is of the agent's own."""
SUBJECT = {"matchLabels": {"any.app": "a", NAMESPACE: "shop"}}


async def entries(section: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    cluster = await Cluster({}).start()
    cluster.cnp("rules", {"endpointSelector": {"matchLabels": {"app": "a"}}, **section})
    await cluster.settle()
    process = FakeProcess(cluster, N1, ["cilium-dbg", "policy", "get"])
    assert await process.start(dbg_program(cluster.agents)) == 0
    text, revision = process.output.rsplit("Revision: ", 1)
    assert int(revision) == cluster.agents.agent(N1).repository.revision
    return json.loads(text), text


async def test_an_entry_has_the_fields_of_go_in_their_order() -> None:
    found, text = await entries({"ingress": [{"fromEndpoints": [{"matchLabels": {"app": "b"}}]}]})
    entry = found[0]
    labels = entry.pop("Labels")
    assert entry == {
        "Tier": 200, "Priority": 0, "Authentication": None, "Log": {}, "Subject": SUBJECT,
        "L3": [{"matchLabels": {"any.app": "b", CLUSTER: "default", NAMESPACE: "shop"}}], "L4": [],
        "DefaultDeny": True, "Verdict": 0, "Ingress": True, "Node": False,
    }  # fmt: skip
    assert {"key": "io.cilium.k8s.policy.name", "value": "rules", "source": "k8s"} in labels
    assert text.startswith('[\n  {\n    "Tier": 200,\n    "Priority": 0,')


@pytest.mark.parametrize(
    ("section", "field", "wanted"),
    [
        (
            {"egress": [{"toCIDRSet": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}]}]},
            "L3",
            ["cidr:10.0.0.0/8-[10.1.0.0/16]"],
        ),
        ({"egress": [{"toFQDNs": [{"matchName": "a.example"}]}]}, "L3", ["MatchName: a.example, MatchPattern: "]),
        ({"egressDeny": [{"toEntities": ["world"]}]}, "Verdict", 1),
        ({"egress": [{}]}, "Ingress", False),
        ({"ingress": [{}], "enableDefaultDeny": {"ingress": False}}, "DefaultDeny", False),
        (
            {"ingress": [{"fromEndpoints": [{"matchExpressions": [{"key": "app", "operator": "Exists"}]}]}]},
            "L3",
            [
                {
                    "matchLabels": {CLUSTER: "default", NAMESPACE: "shop"},
                    "matchExpressions": [{"key": "any.app", "operator": "Exists"}],
                }
            ],
        ),
        (
            {
                "ingress": [
                    {
                        "toPorts": [
                            {"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"method": "GET"}]}},
                            {"ports": [{"port": "8000", "endPort": 8010, "protocol": "UDP"}]},
                        ]
                    }
                ]
            },
            "L4",
            [
                {"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"method": "GET"}]}},
                {"ports": [{"port": "8000", "endPort": 8010, "protocol": "UDP"}]},
            ],
        ),
    ],
)
async def test_what_a_policy_says_is_in_the_entry(section: dict[str, Any], field: str, wanted: object) -> None:
    found, _ = await entries(section)
    assert found[0][field] == wanted
