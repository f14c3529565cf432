"""Each finding, from the smallest policy that deserves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab_helpers.policy import PolicyConfig, Version
from lab_helpers.policy.inventories import Object, build_inventory
from lab_helpers.policy.labs import LABS
from lab_helpers.policy.linting import Finding, lint
from lab_helpers.policy.manifests import read_manifests

from .conftest import DATA, policy

BACKEND = {"endpointSelector": {"matchLabels": {"app": "backend"}}}
FRONTEND = [{"matchLabels": {"app": "frontend"}}]


def tcp(port: str, **more: Any) -> dict[str, Any]:
    return {"toPorts": [{"ports": [{"port": port, "protocol": "TCP"}], **more}]}


def findings(*manifests: dict[str, Any], config: PolicyConfig | None = None) -> list[Finding]:
    text = (DATA / "shop.yaml").read_text(encoding="utf-8") + "\n---\n" + yaml.safe_dump_all(manifests)
    return list(lint(build_inventory((Object(m.obj, m.locate) for m in read_manifests(text, "all.yaml")), config)))


@pytest.mark.parametrize(
    ("code", "kind", "spec"),
    [
        ("refused", "cnp", {**BACKEND, "ingress": []}),
        ("unknown-field", "cnp", {**BACKEND, "ingress": [{"fromEndpoint": FRONTEND, **tcp("8080")}]}),
        ("selects-nothing", "cnp", {"endpointSelector": {"matchLabels": {"app": "bakcend"}}, "ingress": [{}]}),
        (
            "peer-selects-nothing",
            "cnp",
            {**BACKEND, "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "front"}}]}]},
        ),
        (
            "missing-namespace",
            "cnp",
            {**BACKEND, "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "intruder"}}]}]},
        ),
        ("service-port", "cnp", {**BACKEND, "ingress": [{"fromEndpoints": FRONTEND, **tcp("80")}]}),
        ("fqdn-without-dns", "cnp", {**BACKEND, "egress": [{"toFQDNs": [{"matchName": "api.stripe.com"}]}]}),
        (
            "layer4-beside-layer7",
            "cnp",
            {
                **BACKEND,
                "ingress": [
                    {"fromEndpoints": FRONTEND, **tcp("8080", rules={"http": [{"method": "GET"}]})},
                    {"fromEndpoints": [{}], **tcp("8080")},
                ],
            },
        ),
        (
            "shadowed",
            "cnp",
            {
                **BACKEND,
                "ingress": [{"fromEndpoints": FRONTEND, **tcp("8080")}],
                "ingressDeny": [{"fromEndpoints": [{}]}],
            },
        ),
        ("empty-section", "cnp", {**BACKEND, "ingress": [{}], "egress": []}),
        ("empty-peers", "cnp", {**BACKEND, "ingress": [{"fromEndpoints": [], **tcp("8080")}]}),
        ("default-deny-alone", "cnp", {**BACKEND, "egress": [{}], "enableDefaultDeny": {"ingress": True}}),
        ("deny-closes", "cnp", {**BACKEND, "ingressDeny": [{"fromEndpoints": FRONTEND}]}),
        ("deny-nothing", "cnp", {**BACKEND, "ingress": [{}], "ingressDeny": [{}]}),
        ("closes-everybody", "ccnp", {"endpointSelector": {}, "ingress": [{}]}),
        ("cidr-of-pods", "cnp", {**BACKEND, "ingress": [{"fromCIDR": ["10.0.0.0/8"]}]}),
        ("path-prefix", "cnp", {**BACKEND, "ingress": [tcp("8080", rules={"http": [{"path": "/api/"}]})]}),
        ("host-dots", "cnp", {**BACKEND, "ingress": [tcp("8080", rules={"http": [{"host": "shop.example"}]})]}),
        ("rules-without-ports", "cnp", {**BACKEND, "ingress": [{"toPorts": [{"rules": {"http": [{}]}}]}]}),
        ("service-unknown", "cnp", {**BACKEND, "egress": [{"toServices": [{"k8sService": {"serviceName": "x"}}]}]}),
        (
            "policy-types",
            "knp",
            {"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{"from": [{"podSelector": {}}]}]},
        ),
        (
            "cilium-aggregates",
            "cnp",
            {
                **BACKEND,
                "ingress": [
                    {"fromEndpoints": [{"matchExpressions": [{"key": "reserved:host", "operator": "DoesNotExist"}]}]}
                ],
            },
        ),
    ],
)
def test_finding(code: str, kind: str, spec: dict[str, Any]) -> None:
    found = {finding.code: finding for finding in findings(policy(kind, spec))}
    assert code in found
    assert found[code].lab in LABS.values()
    assert found[code].position is not None


def test_a_good_policy_has_no_findings() -> None:
    assert findings(policy("cnp", {**BACKEND, "ingress": [{"fromEndpoints": FRONTEND, **tcp("8080")}]})) == []


def test_a_fault_of_one_version_is_not_told_for_the_other() -> None:
    negative = [{"matchExpressions": [{"key": "reserved:host", "operator": "DoesNotExist"}]}]
    manifest = policy("cnp", {**BACKEND, "ingress": [{"fromEndpoints": negative}]})
    assert findings(manifest, config=PolicyConfig(version=Version.V1_19)) == []


def test_kafka_is_told_with_its_own_lab() -> None:
    manifest = policy("cnp", {**BACKEND, "ingress": [tcp("9092", rules={"kafka": [{"topic": "orders"}]})]})
    (found,) = [finding for finding in findings(manifest) if finding.code == "unknown-field"]
    assert found.lab == LABS["13"]


def test_kafka_rules_that_work_are_told_to_end_with_1_19() -> None:
    manifest = policy("cnp", {**BACKEND, "ingress": [tcp("9092", rules={"kafka": [{"topic": "orders"}]})]})
    found = findings(manifest, config=PolicyConfig(version=Version.V1_19))
    assert [(finding.code, finding.lab) for finding in found if "Kafka" in finding.message] == [
        ("gone-in-1.20", LABS["13"])
    ]


def test_findings_lead_to_labs_that_exist() -> None:
    folder = Path(__file__).resolve().parents[2] / "labs"
    assert all((folder / name / "lab.yaml").is_file() for name in LABS.values())
