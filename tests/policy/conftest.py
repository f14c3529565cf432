"""The cast and the cases of tests/policy/data, in the form the engine's batch reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

DATA = Path(__file__).parent / "data"

KINDS = {
    "cnp": ("cilium.io/v2", "CiliumNetworkPolicy", "shop"),
    "ccnp": ("cilium.io/v2", "CiliumClusterwideNetworkPolicy", None),
    "knp": ("networking.k8s.io/v1", "NetworkPolicy", "shop"),
    "kcnp": ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", None),
}


def cast() -> tuple[dict[str, Any], dict[str, Any]]:
    """(identities, namedPorts) of the cast."""
    identities, named = {}, {}
    for name, member in yaml.safe_load((DATA / "cast.yaml").read_text(encoding="utf-8")).items():
        identities[name] = {"id": member["id"], "labels": [*member["labels"], *member.get("more", ())]}
        ports = {key: text.split("/") for key, text in member.get("ports", {}).items()}
        named[name] = {key: {"port": int(port), "protocol": protocol} for key, (port, protocol) in ports.items()}
    return identities, named


def policy(kind: str, spec: Any, *, name: str = "p") -> dict[str, Any]:
    """A manifest of one of the short kinds, in namespace shop."""
    version, long, namespace = KINDS[kind]
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": long, "metadata": metadata, "spec": spec}


def case_of(written: dict[str, Any]) -> dict[str, Any]:
    """A case of cases.yaml as the batch reads it."""
    identities, named = cast()
    flows = []
    for text in written["flows"]:
        source, _, target, where = text.split()
        port, protocol = where.split("/")
        flows.append({"from": source, "to": target, "protocol": protocol, "port": int(port)})
    return {
        "name": written["name"],
        "config": written.get("config", {}),
        "identities": identities,
        "namedPorts": named,
        "services": written.get("services", []),
        "policies": [policy(kind, written[kind], name=kind) for kind in KINDS if kind in written],
        "flows": flows,
    }


def written_cases() -> list[dict[str, Any]]:
    """cases.yaml."""
    return list(yaml.safe_load((DATA / "cases.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def recorded(shared: Path) -> Path:
    """The recorded verdicts of Cilium's engine, if they are next to the repository."""
    return shared / "conformance" / "policy"
