"""The twin's flows through the command line: the compact lines of allowed and denied requests, near and far."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.clusters import Cluster, start_twin
from lab_helpers.course.shopping import manifest_text

_POLICY = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: backend-in, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts: [{ports: [{port: "8080", protocol: TCP}]}]
"""
_HTTP = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: backend-in, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{method: GET, path: "/api/.*"}]}}]
"""
_VISIBLE = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: backend-in, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  enableDefaultDeny: {ingress: false}
  ingress:
  - toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{}]}}]
"""
_NAMES = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: payments-out, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: payments}}
  egress:
  - toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}]
    toPorts:
    - ports: [{port: "53", protocol: ANY}]
      rules: {dns: [{matchName: api.stripe.com}, {matchName: cdn.example.com}]}
  - toFQDNs: [{matchName: api.stripe.com}]
    toPorts: [{ports: [{port: "443", protocol: TCP}]}]
"""
_INSTALL = (
    "helm install cilium cilium/cilium -n kube-system --set kubeProxyReplacement=true --set hubble.relay.enabled=true "
    "--set k8sServiceHost=cilium-labs-control-plane --set k8sServicePort=6443 --wait"
)
_TO, _FROM = "shop/frontend:* -> shop/backend:8080", "shop/frontend:* <- shop/backend:8080"
_REFUSED = "dev/intruder:* <> shop/backend:8080"
_VERDICT = "policy-verdict:L3-L4 INGRESS ALLOWED BY backend-in (CiliumNetworkPolicy) (TCP Flags: SYN)"
_STEPS = [(_TO, "SYN"), (_FROM, "SYN, ACK"), *((_TO, flags) for flags in ("ACK", "ACK, PSH"))]
_STEPS += [(_FROM, "ACK, PSH"), (_TO, "ACK, FIN"), (_FROM, "ACK, FIN")]


class Lab:
    """A twin with Cilium, Relay and the shop, and one command line to it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._environment = {**os.environ, **cluster.environment()}
        self.pods: list[dict[str, Any]] = []

    def run(self, line: str, *, stdin: str = "", check: bool = True) -> str:
        """What a command prints; its failure fails the test."""
        words = line.split()
        program = self.cluster.bin_dir / words[0] if self.cluster.bin_dir else words[0]
        done = subprocess.run(
            [str(program), *words[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=self._environment,
            timeout=240,
        )
        assert not check or done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, tool: str, *words: str) -> str:
        """What a command of these words prints; its failure fails the test."""
        done = self._call(tool, words)
        assert done.returncode == 0, f"{tool} {words}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refusal(self, tool: str, *words: str) -> tuple[int, str, str]:
        """Exit status and what a command prints, with common blanks."""
        done = self._call(tool, words)
        return done.returncode, done.stdout, done.stderr.replace("\u00a0", " ")

    def _call(self, tool: str, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        program = self.cluster.bin_dir / tool if self.cluster.bin_dir else tool
        return subprocess.run(
            [str(program), *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=self._environment,
            timeout=240,
            check=False,
        )

    def apply(self, policy: str) -> None:
        """Apply a policy, and wait until the agents have it."""
        agent = "kubectl -n kube-system exec ds/cilium -c cilium-agent -- cilium-dbg policy"
        revision = int(self.run(f"{agent} get").rpartition("Revision:")[2])
        if "unchanged" not in self.run("kubectl apply -f -", stdin=policy):
            self.run(f"{agent} wait {revision + 1}")

    def find(self, app: str, *, node: str = "", but: str = "") -> tuple[str, str]:
        """Node and address of a pod of an app."""
        for pod in self.pods:
            where = pod["spec"].get("nodeName", "")
            if pod["metadata"]["labels"].get("app") == app and where != but and node in ("", where):
                return where, pod["status"]["podIP"]
        raise AssertionError(f"no pod of {app} on {node or 'any node'} but {but}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    cluster = start_twin(tmp_path_factory.mktemp("home"))
    try:
        made = Lab(cluster)
        made.run(_INSTALL)
        made.run("kubectl apply -f -", stdin=manifest_text() + "\n---" + _POLICY)
        for name in ("shop deploy/backend", "shop deploy/frontend", "dev deploy/intruder"):
            made.run(f"kubectl rollout status --timeout=120s -n {name}")
        made.pods = json.loads(made.run("kubectl get pods -A -l app -o json"))["items"]
        yield made
    finally:
        cluster.down()


def observed(lab: Lab, client: str, address: str, last: str, *flags: str) -> list[str]:
    """The lines between a client and an address (or of one :port), once `last` is there; n1 is the client's node."""
    near, _ = lab.find(client.partition("/")[2])
    where = f"--port {address[1:]}" if address.startswith(":") else f"--ip {address}"
    line = " ".join((f"hubble observe --all --print-node-name {where} --protocol tcp", *flags))
    deadline = time.monotonic() + 120
    while True:
        shown = [normal(row, near) for row in lab.run(line).splitlines() if client in row]
        if any(row.endswith(last) for row in shown) or time.monotonic() > deadline:
            return shown


def normal(row: str, near: str) -> str:
    """A line without its time, with neutral names for nodes, pods and ports."""
    row = re.sub(r"^.{19} \[(\S+)\]:", lambda found: "[n1]" if found[1] == near else "[n2]", row)
    row = re.sub(r"-[0-9a-f]{6,10}-[a-z0-9]{5}\b", "", row)
    row = re.sub(r"(frontend|intruder):\d+", r"\1:*", row)
    return re.sub(r" \(ID:\d+\)", "", row)


def requested(lab: Lab, address: str) -> str:
    """Ask a backend for its products; which connection that was, as `observed` takes it."""
    curl = f"curl -sS -m 60 -o /dev/null -w %{{local_port}} http://{address}:8080/api/v1/products"
    return ":" + lab.run(f"kubectl exec -n shop deploy/frontend -- {curl}").strip()


def test_an_allowed_request_across_nodes(lab: Lab) -> None:
    _, address = lab.find("backend", but=lab.find("frontend")[0])
    lines = observed(
        lab,
        "shop/frontend",
        requested(lab, address),
        f"[n1] {_FROM} to-endpoint FORWARDED (TCP Flags: ACK, FIN)",
        "--use-default-field-masks=false --print-policy-names",
    )
    expected = []
    for way, flags in _STEPS:
        first, second = ("[n1]", "[n2]") if way == _TO else ("[n2]", "[n1]")
        expected.append(f"{first} {way} to-overlay FORWARDED (TCP Flags: {flags})")
        if flags == "SYN":
            expected.append(f"[n2] {_TO} {_VERDICT}")
        expected.append(f"{second} {way} to-endpoint FORWARDED (TCP Flags: {flags})")
    # within a millisecond two nodes' and two directions' lines may change places
    assert sorted(lines) == sorted(expected)


def test_an_allowed_request_on_one_node(lab: Lab) -> None:
    _, address = lab.find("backend", node=lab.find("frontend")[0])
    lines = observed(
        lab,
        "shop/frontend",
        requested(lab, address),
        f"{_FROM} to-endpoint FORWARDED (TCP Flags: ACK, FIN)",
        "--use-default-field-masks=false --print-policy-names",
    )
    expected = [f"[n1] {way} to-endpoint FORWARDED (TCP Flags: {flags})" for way, flags in _STEPS]
    assert sorted(lines) == sorted([f"[n1] {_TO} {_VERDICT}", *expected])


@pytest.mark.parametrize("far", [False, True])
def test_a_denied_request(lab: Lab, far: bool) -> None:
    near, _ = lab.find("intruder")
    _, address = lab.find("backend", but=near) if far else lab.find("backend", node=near)
    lab.run(f"kubectl exec -n dev deploy/intruder -- curl -sS -m 0.9 http://{address}:8080/", check=False)
    node = "[n2]" if far else "[n1]"
    dropped = f"{node} {_REFUSED} Policy denied DROPPED (TCP Flags: SYN)"
    sent = f"[n1] {_REFUSED.replace('<>', '->')} to-overlay FORWARDED (TCP Flags: SYN)"
    lines = observed(lab, "dev/intruder", address, dropped, "--use-default-field-masks=false")
    verdict = f"{node} {_REFUSED} policy-verdict:none INGRESS DENIED (TCP Flags: SYN)"
    # on a slow machine the SYN may be sent once more
    assert list(dict.fromkeys(lines)) == ([sent] if far else []) + [verdict, dropped]
    masked = observed(lab, "dev/intruder", address, dropped)
    assert masked[-2:] == [verdict.replace("INGRESS", "TRAFFIC_DIRECTION_UNKNOWN"), dropped]


def through_proxy(far: bool, match: str, request: str, answer: str, *, allowed: bool) -> set[str]:
    """The lines of a request that the proxy of the server's node answers or hands on (facts f, g, p)."""
    here = "[n2]" if far else "[n1]"
    lines = {f"{here} {_TO} {match} ALLOWED BY backend-in (CiliumNetworkPolicy) (TCP Flags: SYN)"}
    for way, flags in _STEPS:
        if way == _TO:
            lines |= {f"[n1] {way} to-overlay FORWARDED (TCP Flags: {flags})"} if far else set()
            lines.add(f"{here} {way} to-proxy FORWARDED (TCP Flags: {flags})")
        else:
            proxied = "shop/backend:8080 <> shop/frontend:*"
            lines |= {f"{here} {proxied} to-overlay FORWARDED (TCP Flags: {flags})"} if far else set()
            lines.add(f"[n1] {way} to-endpoint FORWARDED (TCP Flags: {flags})")
    lines.add(f"{here} {_TO} http-request {'FORWARDED' if allowed else 'DROPPED'} (HTTP/1.1 {request})")
    lines.add(f"{here} {_FROM} http-response FORWARDED (HTTP/1.1 {answer} Nms ({request}))")
    return lines


@pytest.mark.parametrize("far", [False, True], ids=["one node", "two nodes"])
@pytest.mark.parametrize(
    ("policy", "match", "method", "path", "code", "allowed"),
    [
        (_HTTP, "policy-verdict:L3-L4 INGRESS", "GET", "/api/v1/orders", 200, True),
        (_HTTP, "policy-verdict:L3-L4 INGRESS", "PUT", "/api/v1/refused", 403, False),
        (_VISIBLE, "policy-verdict:L4-Only INGRESS", "GET", "/api/v1/seen", 404, True),
    ],
    ids=["allowed", "denied", "only looked at"],
)
def test_http(lab: Lab, policy: str, match: str, method: str, path: str, code: int, allowed: bool, far: bool) -> None:
    near, _ = lab.find("frontend")
    _, address = lab.find("backend", but=near) if far else lab.find("backend", node=near)
    try:
        lab.apply(policy)
        lab.run(
            "kubectl exec -n shop deploy/frontend -- "
            f"curl -sS -m 60 -o /dev/null -X {method} http://{address}:8080{path}"
        )
        record = json.loads(lab.run(f"hubble observe --last 1 --http-url {path} -o json").splitlines()[-1])["flow"]
        port = record["l4"]["TCP"]["destination_port" if record["is_reply"] else "source_port"]
        last = f"[n1] {_FROM} to-endpoint FORWARDED (TCP Flags: ACK, FIN)"
        flags = "--use-default-field-masks=false --print-policy-names"
        lines = observed(lab, "shop/frontend", f":{port}", last, flags)
    finally:
        lab.apply(_POLICY)
    shown = {re.sub(r" \d+ms ", " Nms ", line) for line in lines}
    request = f"{method} http://{address}:8080{path}"
    assert shown == through_proxy(far, match, request, str(code), allowed=allowed)
    records = [json.loads(line)["flow"] for line in lab.run(f"hubble observe --all --port {port} -o json").splitlines()]
    verdicts = [flow["verdict"] for flow in records if flow["event_type"]["type"] == 5]
    assert verdicts == ["REDIRECTED"]
    assert all(flow["proxy_port"] for flow in records if flow.get("trace_observation_point") == "TO_PROXY")
    assert not any("drop_reason" in flow for flow in records)


@pytest.fixture
def names(lab: Lab) -> Iterator[Lab]:
    """A policy for two DNS names, one of which may be connected to."""
    lab.apply(_NAMES)
    yield lab
    lab.run("kubectl delete -n shop ciliumnetworkpolicy payments-out")


def asked(lab: Lab, name: str, last: str) -> list[str]:
    """The lines of one query for an address of `name` and of what it led to, once `last` is among them."""
    near, _ = lab.find("payments")
    deadline = time.monotonic() + 120
    while True:
        flags = "--all --print-node-name --pod shop/payments --use-default-field-masks=false"
        rows = lab.run(f"hubble observe {flags}").splitlines()
        ports = {found[1] for row in rows if (found := re.search(rf":(\d+) .*Query {re.escape(name)}\. A\)", row))}
        mine = [row for row in rows if any(f"payments-{pod}:{port} " in row for pod in pods(rows) for port in ports)]
        mine += [row for row in rows if ":443 " in row and name in row]
        shown = [re.sub(r":\d{5} ", ":* ", normal(row, near)) for row in mine]
        if any(row.endswith(last) for row in shown) or time.monotonic() > deadline:
            return shown


def pods(rows: list[str]) -> set[str]:
    """The random parts of the names of pods of payments."""
    return set(re.findall(r"shop/payments-([0-9a-f]+-[a-z0-9]+)", "\n".join(rows)))


_CLIENT, _DNS = "[n1] shop/payments:*", "kube-system/coredns:53"
_ASKING = [
    f"{_CLIENT} -> {_DNS} policy-verdict:L3-L4 EGRESS ALLOWED (UDP)",
    f"{_CLIENT} -> {_DNS} to-proxy FORWARDED (UDP)",
]


def test_a_name_that_may_be_asked_for_and_connected_to(names: Lab) -> None:
    names.run("kubectl exec -n shop deploy/payments -- curl -sSk -m 60 -o /dev/null https://api.stripe.com/")
    last = f"{_CLIENT} <- api.stripe.com:443 to-endpoint FORWARDED (TCP Flags: ACK, FIN)"
    lines = [re.sub(r'"[0-9.,]+" TTL: \d+', '"…" TTL: N', line) for line in asked(names, "api.stripe.com", last)]
    answer = 'DNS Answer "…" TTL: N (Proxy api.stripe.com. A)'
    wire = [
        (f"{_CLIENT} {'->' if way == _TO else '<-'} api.stripe.com:443", way == _TO, flags) for way, flags in _STEPS
    ]
    assert sorted(lines) == sorted(
        [
            *_ASKING,
            f"{_CLIENT} -> {_DNS} dns-request proxy FORWARDED (DNS Query api.stripe.com. A)",
            f"{_CLIENT} <- {_DNS} dns-response proxy FORWARDED ({answer})",
            f"{_CLIENT} <- {_DNS} to-endpoint FORWARDED (UDP)",
            f"{_CLIENT} -> api.stripe.com:443 policy-verdict:L3-L4 EGRESS ALLOWED (TCP Flags: SYN)",
            *(
                f"{ends} {'to-stack' if to else 'to-endpoint'} FORWARDED (TCP Flags: {flags})"
                for ends, to, flags in wire
            ),
        ]
    )


def test_a_name_that_may_not_be_asked_for(names: Lab) -> None:
    line = "exec -n shop deploy/payments -- curl -sS -m 60 https://forbidden.example/"
    assert "Could not resolve host" in names.refusal("kubectl", *line.split())[2], "a refusal is an answer, not silence"
    refused = f"{_CLIENT} -> {_DNS} dns-request proxy DROPPED (DNS Query forbidden.example. A)"
    lines = asked(names, "forbidden.example", refused)
    assert sorted(lines) == sorted([*_ASKING, refused, f"{_CLIENT} <- {_DNS} to-endpoint FORWARDED (UDP)"])


def test_a_name_that_may_only_be_asked_for(names: Lab) -> None:
    names.run("kubectl exec -n shop deploy/payments -- curl -sS -m 3 https://cdn.example.com/", check=False)
    dropped = f"{_CLIENT} <> cdn.example.com:443 Policy denied DROPPED (TCP Flags: SYN)"
    last = dropped.partition("443 ")[2]
    lines = [line for line in asked(names, "cdn.example.com", last) if ":443 " in line]
    # the line's "(world)" stands for the identity, which no policy has given this name
    lines = [line.replace(" (world)", "") for line in lines]
    verdict = dropped.replace("Policy denied DROPPED", "policy-verdict:none EGRESS DENIED")
    assert list(dict.fromkeys(lines)) == [verdict, dropped], "a SYN that is sent once more looks the same"
    flow = json.loads(names.run("hubble observe --last 1 --to-port 443 --verdict DROPPED -o json").splitlines()[-1])
    assert flow["flow"]["destination_names"] == ["cdn.example.com"]
    assert flow["flow"]["destination"]["labels"] == ["reserved:world"]


def real_program(name: str) -> str:
    """A tool that is not ours, on PATH; else the test is skipped."""
    found = shutil.which(name, path=os.environ.get("CILIUM_LABS_REAL_PATH", os.environ.get("PATH", "")))
    if not found or b"lab_helpers" in Path(found).read_bytes()[:2000]:
        pytest.skip(f"no real {name} on PATH to use the embedded cluster with")
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("list", "nodes"),
        ("list", "namespaces"),
        ("observe", "--first", "20"),
        ("observe", "--first", "20", "-o", "dict", "--namespace", "shop"),
        ("observe", "--first", "20", "-o", "json", "--verdict", "DROPPED"),
        ("observe", "--first", "20", "-o", "table", "--to-pod", "shop/backend"),
        ("observe", "--first", "20", "--use-default-field-masks=false", "--print-policy-names", "-t", "policy-verdict"),
        ("observe", "--first", "20", "-o", "json", "--to-fqdn", "*.stripe.com"),
        ("observe", "--first", "20", "--http-status", "403", "--color", "always"),
        ("observe", "--first", "20", "--cel-expression", "_flow.verdict == Verdict.DROPPED", "--numeric"),
        ("observe", "--first", "20", "--not", "--namespace", "kube-system", "--print-node-name"),
        ("list", "nodes", "-o", "wide"),
        ("list", "namespaces", "-o", "json"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("forwarded", [False, True], ids=["socket", "port-forward"])
def test_the_real_hubble_prints_what_ours_does(lab: Lab, words: tuple[str, ...], forwarded: bool) -> None:
    program = real_program("hubble")
    words = (*words, *(("--port-forward",) if forwarded else ()))
    if words[0] == "observe":  # what is still coming in must not be in one answer only
        words += ("--until", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 2)))
    # figures that move between two calls: filled buffers, rates, ages
    figures = re.compile(r"[\d,.]+/[\d,.]+ \( *[\d.]+%\)|Flows/s: .*|\b(?:\d+[hms])+ +[\d.]+ ")
    ours, theirs = (figures.sub("…", lab.ask(tool, *words)) for tool in ("hubble", program))
    assert theirs == ours


@pytest.mark.parametrize(
    "words",
    [
        ("status", "-o", "bogus"),
        ("status", "--server", "localhost:1", "--timeout", "1s"),
        ("list", "nodes", "-o", "yaml"),
        ("watch", "peers"),
        ("observe", "agent-events"),
        ("observe", "--verdict", "bogus"),
        ("observe", "--ip", "1.2.3.0/99"),
        ("observe", "--tcp-flags", "BOGUS"),
        ("observe", "--since", "bogus"),
        ("observe", "--first", "1", "--last", "1"),
        ("observe", "--cel-expression", "1 +"),
        ("observe", "--allowlist", "bogus"),
        ("observe", "--not"),
        ("observe", "-o", "table", "--follow"),
        ("config", "get", "bogus"),
        ("completion", "bash", "bogus"),
        ("bogus",),
    ],
    ids=" ".join,
)
def test_the_real_hubble_refuses_what_ours_does(lab: Lab, words: tuple[str, ...]) -> None:
    ours, theirs = (lab.refusal(tool, *words) for tool in ("hubble", real_program("hubble")))
    assert theirs == ours


def test_the_real_cilium_finds_the_cluster_in_order(lab: Lab) -> None:
    shown = lab.run(f"{real_program('cilium')} status --wait --wait-duration 30s")
    assert re.search(r"Cilium: +.*OK", shown)
    assert re.search(r"Hubble Relay: +.*OK", shown)
