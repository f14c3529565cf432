"""The scenarios: who calls whom, and how (cilium-cli connectivity/tests)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from lab_helpers.tools.cilium.connectivity.deployments import HOST_PORT, PORT
from lab_helpers.tools.cilium.connectivity.peers import Place, Target


class Flags(Protocol):
    """Flags by name."""

    def __getitem__(self, name: str) -> Any:
        """The value of one."""


class Stage(NamedTuple):
    """What scenarios have to do with: the pods, nodes (name → address), NodePorts (workload → port), and flags."""

    clients: tuple[Place, ...]
    echoes: tuple[Place, ...]
    hosts: tuple[Place, ...]
    nodes: Mapping[str, str]
    node_ports: Mapping[str, int]
    flags: Flags
    host_port: int = HOST_PORT

    def curl(self, url: str, *more: str) -> tuple[str, ...]:
        """curl as the real test calls it."""
        connect, whole = self.flags["connect-timeout"] / 1e9, self.flags["request-timeout"] / 1e9
        return (
            "curl", "--silent", "--fail", "--show-error", "--output", "/dev/null",
            "-w", r"%{local_ip}:%{local_port} -> %{remote_ip}:%{remote_port} = %{response_code}\n",
            "--connect-timeout", f"{connect:g}", "--max-time", f"{whole:g}", *more, url,
        )  # fmt: skip

    def ping(self, address: str) -> tuple[str, ...]:
        """One echo request."""
        seconds = f"{max(1, round(self.flags['connect-timeout'] / 1e9))}"
        return ("ping", "-c", "1", "-W", seconds, "-w", seconds, address)


class Draft(NamedTuple):
    """An action before its expectation is known."""

    name: str
    source: Place
    target: Target
    command: tuple[str, ...]


class Scenario(NamedTuple):
    """``needs`` are features without which it is skipped."""

    name: str
    drafts: Callable[[Stage], Iterator[Draft]]
    needs: tuple[str, ...] = ()


def _pairs(stage: Stage, source: Mapping[str, str], target: Mapping[str, str]) -> Iterator[tuple[int, Place, Place]]:
    number = 0
    for one in stage.clients:
        for other in stage.echoes:
            if one.has(source) and other.has(target):
                yield number, one, other
                number += 1


def _pod(place: Place, port: int = 0, path: str = "", headers: Mapping[str, str] | None = None) -> Target:
    name = f"{place.namespace}/{place.name}"
    return Target(name, place.ip, port, path, {**place.labels, **(headers or {})}, name)


def _web(name: str, url: str, labels: Mapping[str, str] | None = None) -> Target:
    parts = urlsplit(url)
    number = parts.port or (443 if parts.scheme == "https" else 80)
    return Target(name, parts.hostname or "", number, parts.path, labels or {})


def pod_to_pod(source: Mapping[str, str] | None = None, target: Mapping[str, str] | None = None) -> Scenario:
    """Every client calls every server by its address."""

    def drafts(stage: Stage) -> Iterator[Draft]:
        for number, one, other in _pairs(stage, source or {}, target or {}):
            yield Draft(f"curl-ipv4-{number}", one, _pod(other, PORT), stage.curl(f"http://{other.ip}:{PORT}/"))

    return Scenario("pod-to-pod", drafts)


def pod_to_pod_with_endpoints(target: Mapping[str, str] | None = None, method: str = "") -> Scenario:
    """Every client calls ``/public`` and ``/private`` of every server, ``/private`` also with the secret header."""
    how = ("-X", method) if method else ()
    secret = {"X-Very-Secret-Token": "42"}

    def drafts(stage: Stage) -> Iterator[Draft]:
        for number, one, other in _pairs(stage, {}, target or {}):
            for path, headers in (("public", {}), ("private", {}), ("private", secret)):
                name = f"curl-ipv4-{number}-{path}" + ("with-header" if headers else "")
                more = tuple(word for key, value in headers.items() for word in ("-H", f"{key}: {value}"))
                command = stage.curl(f"http://{other.ip}:{PORT}/{path}", *how, *more)
                yield Draft(name, one, _pod(other, PORT, f"/{path}", headers)._replace(name=name), command)

    return Scenario("pod-to-pod-with-endpoints", drafts)


def _client_to_client(stage: Stage) -> Iterator[Draft]:
    pairs = [(one, other) for one in stage.clients for other in stage.clients if one != other]
    for number, (one, other) in enumerate(pairs):
        yield Draft(f"ping-ipv4-{number}", one, _pod(other), stage.ping(other.ip))


def _pod_to_service(stage: Stage) -> Iterator[Draft]:
    for number, one, other in _pairs(stage, {}, {}):
        name = f"{other.namespace}/{other.workload}"
        target = Target(name, other.workload, PORT, "", other.labels, f"{other.namespace}/{other.name}")
        yield Draft(f"curl-{number}", one, target, stage.curl(f"http://{other.workload}:{PORT}/"))


def _pod_to_host(stage: Stage) -> Iterator[Draft]:
    for one in stage.clients:
        for address in stage.nodes.values():
            yield Draft("ping-ipv4-internal-ip", one, Target("", address), stage.ping(address))


def _pod_to_host_port(stage: Stage) -> Iterator[Draft]:
    for number, one, other in _pairs(stage, {}, {}):
        url = f"http://{other.node_ip}:{stage.host_port}/"
        target = Target(f"{other.namespace}/{other.name}", other.node_ip, stage.host_port, "", other.labels)
        yield Draft(f"curl-{number}", one, target, stage.curl(url))


def _node_ports(stage: Stage, *, local: bool) -> Iterator[Draft]:
    number = 0
    for one in stage.clients:
        for workload, port in stage.node_ports.items():
            for node, address in stage.nodes.items():
                if (node == one.node) == local:
                    target = Target(f"{one.namespace}/{workload}", address, port)
                    yield Draft(f"curl-ipv4-{number}", one, target, stage.curl(f"http://{address}:{port}/"))
                    number += 1


def _host_to_pod(stage: Stage) -> Iterator[Draft]:
    pairs = [(host, other) for host in stage.hosts for other in stage.echoes]
    for number, (host, other) in enumerate(pairs):
        yield Draft(f"curl-ipv4-{number}", host, _pod(other, PORT), stage.curl(f"http://{other.ip}:{PORT}/"))


def _pod_to_world(stage: Stage) -> Iterator[Draft]:
    name = stage.flags["external-target"]
    kinds = (("http", f"http://{name}"), ("https", f"https://{name}"), ("https-index", f"https://{name}/index.html"))
    for number, one in enumerate(stage.clients):
        for kind, url in kinds:
            title = f"{kind.partition('-')[0]}-to-{name}{'-index' if kind.endswith('index') else ''}-{number}"
            yield Draft(title, one, _web(f"{name}-{kind}", url), stage.curl(url))


def _pod_to_world_2(stage: Stage) -> Iterator[Draft]:
    for number, one in enumerate(stage.clients):
        target = _web("cilium-io-https", "https://cilium.io")
        yield Draft(f"https-cilium-io-{number}", one, target, stage.curl("https://cilium.io"))


def _pod_to_cidr(stage: Stage) -> Iterator[Draft]:
    for flag in ("external-ip", "external-other-ip"):
        address = stage.flags[flag]
        name = f"external-{address.replace('.', '')}"
        for number, one in enumerate(stage.clients):
            url = f"https://{address}"
            yield Draft(f"{name}-{number}", one, _web(name, url), stage.curl(url, "--insecure"))


CLIENT_TO_CLIENT = Scenario("client-to-client", _client_to_client)
POD_TO_SERVICE = Scenario("pod-to-service", _pod_to_service)
POD_TO_HOST = Scenario("pod-to-host", _pod_to_host)
POD_TO_HOST_PORT = Scenario("pod-to-hostport", _pod_to_host_port, ("kpr-hostport",))
POD_TO_LOCAL_NODE_PORT = Scenario("pod-to-local-nodeport", lambda stage: _node_ports(stage, local=True))
POD_TO_REMOTE_NODE_PORT = Scenario("pod-to-remote-nodeport", lambda stage: _node_ports(stage, local=False))
HOST_TO_POD = Scenario("host-to-pod", _host_to_pod)
POD_TO_WORLD = Scenario("pod-to-world", _pod_to_world)
POD_TO_WORLD_2 = Scenario("pod-to-world-2", _pod_to_world_2)
POD_TO_CIDR = Scenario("pod-to-cidr", _pod_to_cidr)
