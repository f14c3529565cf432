"""A policy object is read once for all who ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.policy.errors import PolicyEngineError
from lab_helpers.twin.agent.importing import PolicyReader
from lab_helpers.twin.objects.storage import Change, Key

KIND = "CiliumNetworkPolicy"
CONFIG = PolicyConfig()


def policy(port="80", **more):
    ports = [{"ports": [{"port": port, "protocol": "TCP"}]}]
    spec = {"endpointSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"toPorts": ports}]}
    metadata = {"namespace": "shop", "name": "web", "uid": "1", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": spec, **more}


def test_the_same_object_is_read_once_also_with_another_status():
    reader = PolicyReader()
    first = reader.read(KIND, policy(), CONFIG)
    assert reader.read(KIND, policy(status={"conditions": []}), replace(CONFIG)) is first


def test_another_meaning_another_answer():
    reader = PolicyReader()
    first = reader.read(KIND, policy(), CONFIG)
    assert reader.read(KIND, policy("81"), CONFIG).rules != first.rules
    assert reader.read(KIND, policy(), replace(CONFIG, version=Version.V1_19)) is not first


def test_what_cannot_be_read_is_refused_each_time_and_what_was_deleted_is_forgotten():
    reader = PolicyReader()
    for _ in range(2):
        with pytest.raises(PolicyEngineError):
            reader.read(KIND, policy("no port at all"), CONFIG)
    first = reader.read(KIND, policy(), CONFIG)
    reader.forget(Change(2, "DELETED", Key("ciliumnetworkpolicies.cilium.io", "shop", "web"), policy(), policy()))
    assert reader.read(KIND, policy(), CONFIG) is not first
