"""Policies from flows allow what was seen, and nothing else."""

from __future__ import annotations

from lab_helpers.policy import HTTPRequest, LabelSet, PolicyConfig, Protocol, Repository, parse, parse_labels
from lab_helpers.policy.learning import learn
from lab_helpers.policy.recorded_flows import FlowEnd, FlowRecord, would_be_cut

SHOP = ["k8s:io.kubernetes.pod.namespace=shop", "k8s:io.cilium.k8s.policy.cluster=default", "k8s:pod-template-hash=9"]


def pod(name: str, number: int, *, namespace: str = "shop") -> FlowEnd:
    labels = [f"k8s:app={name}", *(text.replace("shop", namespace) for text in SHOP)]
    return FlowEnd(number, parse_labels(labels), namespace, f"{name}-9-x", name)


FRONTEND, BACKEND, INTRUDER = pod("frontend", 300), pod("backend", 301), pod("intruder", 302, namespace="dev")
DNS = FlowEnd(
    303,
    parse_labels(["k8s:k8s-app=kube-dns", "k8s:io.kubernetes.pod.namespace=kube-system", SHOP[1]]),
    "kube-system",
    "d",
)
STRIPE = FlowEnd(16777230, parse_labels(["reserved:world"]), ip="203.0.113.9", names=("api.stripe.com",))
OFFICE = FlowEnd(2, parse_labels(["reserved:world"]), ip="198.51.100.7")
HOST = FlowEnd(1, parse_labels(["reserved:host"]))
NODE = FlowEnd(6, parse_labels(["reserved:remote-node"]), ip="192.168.0.3")

SEEN = [
    FlowRecord(FRONTEND, BACKEND, Protocol.TCP, 8080),
    FlowRecord(FRONTEND, DNS, Protocol.UDP, 53, dns="api.stripe.com"),
    FlowRecord(FRONTEND, STRIPE, Protocol.TCP, 443),
    FlowRecord(OFFICE, FRONTEND, Protocol.TCP, 8080),
    FlowRecord(NODE, FRONTEND, Protocol.ICMP, 8),
    FlowRecord(HOST, BACKEND, Protocol.TCP, 8081),
]
UNWANTED = [
    FlowRecord(INTRUDER, BACKEND, Protocol.TCP, 8080),
    FlowRecord(FRONTEND, BACKEND, Protocol.TCP, 9090),
    FlowRecord(FRONTEND, OFFICE, Protocol.TCP, 443),
    FlowRecord(OFFICE, FRONTEND, Protocol.TCP, 22),
]


def repository(*manifests: object) -> Repository:
    made = Repository(PolicyConfig())
    for manifest in manifests:
        made.upsert(parse(manifest))  # type: ignore[arg-type]
    return made


def test_what_was_seen_passes_and_nothing_else() -> None:
    learned = learn(SEEN, ["shop"])
    assert learned.cut == ()
    assert learned.used == len(SEEN)
    cut = {cut.flow for cut in would_be_cut(repository(*learned.policies), UNWANTED)}
    assert cut == set(UNWANTED)


def test_the_policies_are_readable() -> None:
    backend, frontend = learn(SEEN, ["shop"]).policies
    assert backend["metadata"] == {"name": "backend-observed", "namespace": "shop"}
    assert backend["spec"] == {
        "endpointSelector": {"matchLabels": {"app": "backend"}},
        "ingress": [
            {
                "fromEndpoints": [{"matchLabels": {"app": "frontend"}}],
                "toPorts": [{"ports": [{"port": "8080", "protocol": "TCP"}]}],
            }
        ],
    }
    dns, names = frontend["spec"]["egress"][0], frontend["spec"]["egress"][-2:]
    assert dns["toPorts"][0]["rules"] == {"dns": [{"matchPattern": "*"}]}
    assert any(element.get("toFQDNs") == [{"matchName": "api.stripe.com"}] for element in names)


def test_replies_and_drops_teach_nothing() -> None:
    flows = [
        FlowRecord(BACKEND, FRONTEND, Protocol.TCP, 40000, reply=True),
        FlowRecord(INTRUDER, BACKEND, Protocol.TCP, 8080, dropped=True),
    ]
    assert learn(flows, ["shop"]).policies == ()


def test_a_request_can_be_cut_though_the_connection_is_not() -> None:
    rules = {"http": [{"method": "GET", "path": "/api/.*"}]}
    manifest = {
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {
            "endpointSelector": {"matchLabels": {"app": "backend"}},
            "ingress": [
                {"fromEndpoints": [{}], "toPorts": [{"ports": [{"port": "8080", "protocol": "TCP"}], "rules": rules}]}
            ],
        },
    }
    good, bad = (
        FlowRecord(FRONTEND, BACKEND, Protocol.TCP, 8080, http=HTTPRequest("GET", path))
        for path in ("/api/v1", "/admin")
    )
    (cut,) = would_be_cut(repository(manifest), [good, bad])
    assert (cut.flow, cut.request) == (bad, True)


def test_an_empty_label_set_is_nobody_in_particular() -> None:
    assert str(FlowEnd(77, LabelSet())) == "77"
