"""The cluster's zone (Kubernetes DNS specification)."""

from __future__ import annotations

import pytest

from lab_helpers.twin.clock import ManualClock
from lab_helpers.twin.dns.zones import ClusterZone
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage


@pytest.fixture
def zone():
    storage = Storage()
    registry = Registry(storage, Kinds(), ManualClock())
    for namespace in ("default", "shop"):
        registry.create("namespaces", {"metadata": {"name": namespace}})

    def service(name, ip, **spec):
        ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
        body = {"metadata": {"name": name, "namespace": "shop"}, "spec": {"clusterIP": ip, "ports": ports, **spec}}
        registry.create("services", body)

    def endpoints(name, *items):
        registry.create(
            "endpointslices.discovery.k8s.io",
            {
                "metadata": {"name": f"{name}-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
                "endpoints": list(items),
            },
        )

    service("backend", "10.96.5.5")
    service("db", "None")
    service("empty", "None")
    service("unready", "None", publishNotReadyAddresses=True)
    service("out", "", type="ExternalName", externalName="api.stripe.com")
    endpoints(
        "db",
        {"addresses": ["10.0.1.7"], "hostname": "db-0", "conditions": {"ready": True}},
        {"addresses": ["10.0.1.8"], "conditions": {"ready": True}},
        {"addresses": ["10.0.1.9"], "conditions": {"ready": False}},
    )
    endpoints("unready", {"addresses": ["10.0.1.9"], "conditions": {"ready": False}})
    yield ClusterZone(registry)
    storage.close()


@pytest.mark.parametrize(
    ("name", "kind", "code", "values"),
    [
        ("backend.shop.svc.cluster.local.", "A", "NOERROR", ["10.96.5.5"]),
        ("BACKEND.shop.svc.cluster.local.", "A", "NOERROR", ["10.96.5.5"]),
        ("backend.shop.svc.cluster.local.", "AAAA", "NOERROR", []),
        ("backend.shop.svc.cluster.local.", "SRV", "NOERROR", ["0 100 80 backend.shop.svc.cluster.local."]),
        ("_http._tcp.backend.shop.svc.cluster.local.", "SRV", "NOERROR", ["0 100 80 backend.shop.svc.cluster.local."]),
        ("_grpc._tcp.backend.shop.svc.cluster.local.", "SRV", "NXDOMAIN", []),
        ("nope.shop.svc.cluster.local.", "A", "NXDOMAIN", []),
        ("backend.nope.svc.cluster.local.", "A", "NXDOMAIN", []),
        ("shop.svc.cluster.local.", "A", "NOERROR", []),
        ("svc.cluster.local.", "A", "NOERROR", []),
        ("cluster.local.", "A", "NOERROR", []),
        ("db.shop.svc.cluster.local.", "A", "NOERROR", ["10.0.1.7", "10.0.1.8"]),
        ("db-0.db.shop.svc.cluster.local.", "A", "NOERROR", ["10.0.1.7"]),
        ("10-0-1-8.db.shop.svc.cluster.local.", "A", "NOERROR", ["10.0.1.8"]),
        ("_http._tcp.db.shop.svc.cluster.local.", "SRV", "NOERROR",
         ["0 50 8080 db-0.db.shop.svc.cluster.local.", "0 50 8080 10-0-1-8.db.shop.svc.cluster.local."]),
        ("empty.shop.svc.cluster.local.", "A", "NXDOMAIN", []),
        ("unready.shop.svc.cluster.local.", "A", "NOERROR", ["10.0.1.9"]),
        ("out.shop.svc.cluster.local.", "A", "NOERROR", ["api.stripe.com."]),
        ("10-0-1-5.shop.pod.cluster.local.", "A", "NOERROR", ["10.0.1.5"]),
        ("nonsense.shop.pod.cluster.local.", "A", "NXDOMAIN", []),
        ("5.5.96.10.in-addr.arpa.", "PTR", "NOERROR", ["backend.shop.svc.cluster.local."]),
        ("7.1.0.10.in-addr.arpa.", "PTR", "NOERROR", ["db-0.db.shop.svc.cluster.local."]),
        ("dns-version.cluster.local.", "TXT", "NOERROR", ['"1.1.0"']),
        ("x.cluster.local.", "A", "NXDOMAIN", []),
    ],
)  # fmt: skip
def test_answers(zone, name, kind, code, values):
    answer = zone.answer(name, kind)
    assert answer is not None
    assert (answer.code, [record.value for record in answer.records]) == (code, values)
    assert all(record.ttl == 30 for record in answer.records)


@pytest.mark.parametrize("name", ["example.com.", "4.3.2.1.in-addr.arpa.", "notcluster.local."])
def test_other_zones_fall_through(zone, name):
    assert zone.answer(name, "A") is None
