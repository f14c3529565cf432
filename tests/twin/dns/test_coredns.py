"""CoreDNS as a program: forwarding, caching, Corefile."""

from __future__ import annotations

import pytest

from lab_helpers.twin.dns.corefiles import COREFILE, CorefileError, parse_corefile
from lab_helpers.twin.dns.resolving import read_configuration


async def test_forward_and_cache(lab, client):
    pod = lab.dns()
    lab.internet()
    first = await lab.sh(client, "dig +short cdn.example.com")
    again = await lab.sh(client, "dig +short cdn.example.com")
    assert sorted(first.out.split()) == sorted(again.out.split())
    assert first.out != again.out, "another address first each time"
    assert first.out.count("203.0.113.") == 3
    await lab.clock.advance(6)
    assert (await lab.sh(client, "dig +short cdn.example.com")).out != first.out
    answer = await lab.sh(client, "dig +noall +answer example.com A; sleep 10; dig +noall +answer example.com A")
    ttls = [int(line.split()[1]) for line in answer.out.splitlines()]
    assert ttls[0] == 30, "the cache's limit, for the first client as for the next"
    assert ttls[1] <= 30, "the cache keeps at most 30 s"
    assert (await lab.sh(pod, "true")).code == 126, "the image has no shell"


async def test_health_and_metrics(lab, client):
    pod = lab.dns()
    await lab.clock.advance(0)
    ip = pod["status"]["podIP"]
    assert (await lab.sh(client, f"curl -s {ip}:8080/health {ip}:8181/ready")).out == "OKOK"
    assert "coredns_dns_requests_total" in (await lab.sh(client, f"curl -s {ip}:9153/metrics")).out


async def test_external_name_is_followed(lab, client):
    lab.dns()
    lab.internet()
    spec = {"type": "ExternalName", "externalName": "files.stripe.com"}
    lab.registry.create("services", {"metadata": {"name": "files", "namespace": "shop"}, "spec": spec})
    result = await lab.sh(client, "dig +short files.shop.svc.cluster.local")
    assert result.out == "files.stripe.com.\n198.51.100.20\n"


async def test_upstream_silence_is_servfail(lab, client):
    lab.dns()
    result = await lab.sh(client, "nslookup example.com.")
    assert "** server can't find example.com: SERVFAIL" in result.out


async def test_corefile_from_config_map(lab, client):
    corefile = COREFILE.replace(
        "    loop\n", "    hosts {\n      192.0.2.9 extra.example.net\n      fallthrough\n    }\n"
    )
    body = {"metadata": {"name": "coredns", "namespace": "kube-system"}, "data": {"Corefile": corefile}}
    lab.registry.create("configmaps", body)
    mounts = [{"name": "c", "mountPath": "/etc/coredns"}]
    image = "registry.k8s.io/coredns/coredns:v1.12.1"
    pod = lab.pod("dns", image, namespace="kube-system", args=["-conf", "/etc/coredns/Corefile"], volumeMounts=mounts,
                  volumes=[{"name": "c", "configMap": {"name": "coredns"}}])  # fmt: skip
    await lab.clock.advance(0)
    query = f"dig +short @{pod['status']['podIP']} extra.example.net"
    assert (await lab.sh(client, query)).out == "192.0.2.9\n"
    changed = lab.registry.draft("configmaps", "coredns", "kube-system")
    changed["data"]["Corefile"] = corefile.replace("192.0.2.9", "192.0.2.10")
    lab.registry.update("configmaps", changed)
    assert (await lab.sh(client, query)).out == "192.0.2.10\n"
    changed = lab.registry.draft("configmaps", "coredns", "kube-system")
    changed["data"]["Corefile"] = "broken {{{"
    lab.registry.update("configmaps", changed)
    assert (await lab.sh(client, query)).out == "192.0.2.10\n", "a broken Corefile leaves the old one in force"
    assert "[ERROR] Restart failed" in await lab.logs(pod)


async def test_names_of_the_machine_itself(lab, client):
    """The Corefile of the server that cilium-cli's connectivity test puts beside its echo pods."""
    corefile = ". {\n\tlocal\n\tready\n\tlog\n}\n"
    lab.registry.create("configmaps", {"metadata": {"name": "c", "namespace": "shop"}, "data": {"Corefile": corefile}})
    image = "registry.k8s.io/coredns/coredns:v1.14.6"
    pod = lab.pod("dns", image, namespace="shop", args=["-conf", "/etc/coredns/Corefile"],
                  volumeMounts=[{"name": "c", "mountPath": "/etc/coredns"}],
                  volumes=[{"name": "c", "configMap": {"name": "c"}}])  # fmt: skip
    await lab.clock.advance(0)
    ip = pod["status"]["podIP"]
    assert (await lab.sh(client, f"nslookup localhost {ip}")).code == 0
    assert (await lab.sh(client, f"dig +short @{ip} localhost AAAA")).out == "::1\n"
    assert (await lab.sh(client, f"dig +short @{ip} -x 127.0.0.1")).out == "localhost.\n"
    assert "status: NXDOMAIN" in (await lab.sh(client, f"dig @{ip} a.localhost")).out
    assert "status: SERVFAIL" in (await lab.sh(client, f"dig @{ip} example.com")).out


def test_parse_corefile():
    block = parse_corefile(COREFILE)[0]
    assert (block.zones, block.port) == (("",), 53)
    kubernetes = block.plugin("kubernetes")
    assert kubernetes is not None
    assert kubernetes.arguments == ("cluster.local", "in-addr.arpa", "ip6.arpa")
    assert ("ttl", "30") in kubernetes.lines


@pytest.mark.parametrize("text", ["}", ". {", ".:x {\n}", "a"])
def test_broken_corefile(text):
    with pytest.raises(CorefileError):
        parse_corefile(text + "\n")


@pytest.mark.parametrize(
    ("name", "ndots", "expected"),
    [
        ("a", 5, ["a.x.", "a.y.", "a."]),
        ("a.b.c.d.e.f", 5, ["a.b.c.d.e.f.", "a.b.c.d.e.f.x.", "a.b.c.d.e.f.y."]),
        ("a.b", 1, ["a.b.", "a.b.x.", "a.b.y."]),
        ("a.", 5, ["a."]),
    ],
)
def test_search_list(name, ndots, expected):
    assert read_configuration(f"search x y\noptions ndots:{ndots}\nnameserver 1.1.1.1").candidates(name) == expected
