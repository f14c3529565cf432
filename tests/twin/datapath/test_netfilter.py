"""A node's iptables: what kube-proxy writes into them, how they are saved and restored, what they do to packets."""

from __future__ import annotations

from typing import Any

import pytest

from lab_helpers.twin.containers.programs.kube_proxy import rules_of, without_kube_proxy
from lab_helpers.twin.datapath.netfilter import BUILT_IN, Hook, Netfilter, NetfilterError, Packet, Verdict

DNS = "10.96.0.10"


def service(name: str, ip: str, *ports: dict[str, Any], kind: str = "ClusterIP") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "kube-system"}
    return {"metadata": metadata, "spec": {"clusterIP": ip, "type": kind, "ports": list(ports)}}


def endpoint_slice(name: str, *addresses: str, port: int = 53, port_name: str = "dns") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "kube-system", "labels": {"kubernetes.io/service-name": name}},
        "ports": [{"name": port_name, "port": port, "protocol": "UDP"}],
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


UDP: dict[str, Any] = {"name": "dns", "port": 53, "protocol": "UDP"}


def loaded(*addresses: str, **port: Any) -> Netfilter:
    kind = "NodePort" if port else "ClusterIP"
    tables = Netfilter(chance=lambda: 0.0)
    services = [service("kube-dns", DNS, {**UDP, **port}, kind=kind)]
    tables.restore(rules_of(services, [endpoint_slice("kube-dns", *addresses)], "10.244.0.0/16"), flush=False)
    return tables


def saved(tables: Netfilter, *, counters: bool = False) -> str:
    return "\n".join(line for table in BUILT_IN for line in tables.save(table, counters=counters))


def test_chains_have_the_names_that_kube_proxy_gives_them() -> None:
    assert "-j KUBE-SVC-TCOU7JCQXEZGVUNU" in saved(loaded("10.0.1.5"))


def test_a_service_is_translated_and_counted() -> None:
    tables = loaded("10.0.1.5", "10.0.2.6")
    packet = Packet("udp", "10.0.0.9", DNS, 53, local=False)
    assert tables.judge(Hook.PREROUTING, packet) == Verdict("10.0.1.5", 53)
    assert "[1:60] -A KUBE-SERVICES -d 10.96.0.10/32 -p udp" in saved(tables, counters=True)


def test_what_was_translated_before_meets_no_rule_of_a_service() -> None:
    tables = loaded("10.0.1.5")
    packet = Packet("udp", "10.0.0.9", "10.0.1.5", 53, local=False)
    assert tables.judge(Hook.PREROUTING, packet) == Verdict("10.0.1.5", 53)
    assert "[0:0] -A KUBE-SERVICES -d 10.96.0.10/32" in saved(tables, counters=True)


def test_a_node_port_is_for_addresses_of_the_node() -> None:
    tables = loaded("10.0.1.5", nodePort=30053)
    assert tables.judge(Hook.PREROUTING, Packet("udp", "9.9.9.9", "172.18.0.3", 30053, local=True)).ip == "10.0.1.5"
    assert tables.judge(Hook.PREROUTING, Packet("udp", "9.9.9.9", "8.8.8.8", 30053, local=False)).ip == "8.8.8.8"


def test_a_service_without_endpoints_is_rejected() -> None:
    assert loaded().judge(Hook.OUTPUT, Packet("udp", "172.18.0.3", DNS, 53, local=False)).rejected


def test_saved_rules_restore_to_the_same() -> None:
    first, second = loaded("10.0.1.5", nodePort=30053), Netfilter()
    second.restore(saved(first))
    assert saved(second) == saved(first)


def test_without_the_lines_of_kube_proxy_nothing_is_left() -> None:
    tables = loaded("10.0.1.5")
    tables.restore(without_kube_proxy(saved(tables).splitlines()))
    assert tables.empty
    assert tables.chains("nat") == BUILT_IN["nat"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("*nat\n-A KUBE-SVC-X -j ACCEPT\nCOMMIT", "line 2: Chain 'KUBE-SVC-X' does not exist"),
        ("*nat\n-A OUTPUT -j KUBE-SVC-X\nCOMMIT", "Couldn't load target `KUBE-SVC-X'"),
        ("*raw\nCOMMIT", "line 1: table 'raw' does not exist"),
        ("-A OUTPUT -j ACCEPT", "line 1: no table given"),
        ("*nat\n-A OUTPUT -m recent --rcheck -j ACCEPT\nCOMMIT", 'unknown option "--rcheck"'),
    ],
)
def test_what_cannot_be_loaded_changes_nothing(text: str, complaint: str) -> None:
    tables = loaded("10.0.1.5")
    before = saved(tables)
    with pytest.raises(NetfilterError) as refused:
        tables.restore(text)
    assert complaint in str(refused.value)
    assert saved(tables) == before
