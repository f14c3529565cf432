"""How fast and how big the twin is: medians of several rounds, as a table.

    python tests/benchmarks/twin_bench.py [--rounds 5] [start] [tools] [policy] [idle] [scale] [ring]

``start``   ``cilium-labs up`` until a request is answered, fresh and again; resident memory
``tools``   one ``kubectl get pods`` and one ``hubble observe`` as processes, bundled and (where present) real
``policy``  a policy applied until it decides traffic, seen by connections of a pod, both ways
``idle``    what the twin takes of a processor while nobody asks for anything, with Cilium, Relay and the shop
``scale``   1,000 pods and 300 policies: filled, started again, memory, time of a connection beside that of ten pods
``ring``    100,000 flows, five filters: the search alone, and ``hubble observe`` as a process beside an empty Python
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab_helpers.clusters import Cluster, Home, connect, start_twin, twins
from lab_helpers.course.api import Api
from lab_helpers.course.errors import ProbeError
from lab_helpers.course.shopping import manifests
from lab_helpers.twin.bootstrap.nodes import node_bodies, node_specs
from tests.benchmarks.full_ring import ring
from tests.benchmarks.measuring import Effort, memory, run, say, seconds, timed, twin, until

PATIENCE = 900.0
"""Seconds to wait for a full cluster, on a machine that has other things to do."""
WORKERS, DEPLOYMENTS, REPLICAS, POLICIES = 10, 50, 20, 300
SELF = {"kubeProxyReplacement": "true", "k8sServiceHost": "cilium-labs-control-plane", "k8sServicePort": "6443"}


def ready(api: Api, namespace: str, selector: str, count: int) -> bool:
    """Are so many pods ready?"""
    pods = api.list("Pod", namespace, selector)
    conditions = [pod.get("status", {}).get("conditions", ()) for pod in pods]
    return sum(any(c["type"] == "Ready" and c["status"] == "True" for c in found) for found in conditions) == count


def install(cluster: Cluster, api: Api) -> None:
    """Cilium with Relay, and the shop."""
    values = [word for key, value in SELF.items() for word in ("--set", f"{key}={value}")]
    tool = (sys.executable, "-m", "lab_helpers.tools.helm", "install", "cilium", "cilium/cilium")
    run(cluster, *tool, "-n", "kube-system", *values, "--set", "hubble.relay.enabled=true")
    for item in manifests():
        api.apply(item)
    until(lambda: all(ready(api, *where) for where in (("shop", "app=backend", 2), ("dev", "app=intruder", 1))))


def start(rounds: int) -> None:
    """Start-up and memory."""
    fresh, again = [], []
    with tempfile.TemporaryDirectory(prefix="twin-bench-", ignore_cleanup_errors=True) as folder:
        environment = {**os.environ, "CILIUM_LABS_HOME": folder}
        home = Home(Path(folder))

        def up() -> None:
            up = (sys.executable, "-m", "lab_helpers.cli", "up")
            subprocess.run(up, env=environment, check=True, stdout=subprocess.DEVNULL)
            facts = twins.describe(home)
            assert facts is not None
            import ssl
            import urllib.request

            context = ssl.create_default_context(cafile=str(home.twin / "ca.crt"))
            request = urllib.request.Request(f"{facts['server']}/api/v1/nodes")
            request.add_header("authorization", f"Bearer {(home.twin / 'token').read_text(encoding='utf-8')}")
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                answer.read()

        for _ in range(rounds):
            fresh.append(timed(up))
            twins.stop(home)
            again.append(timed(up))
            time.sleep(1)
            size = memory(connect(home))
            twins.stop(home)
            twins.wipe(home)
    say("up until a list of nodes is answered, fresh", seconds(fresh))
    say("up until a list of nodes is answered, again", seconds(again))
    say("memory, idle", size)


def tools(rounds: int) -> None:
    """Bundled tools as processes, and the real kubectl on the same server."""
    with twin() as cluster:
        install(cluster, Api(cluster.api()))
        say("memory, with Cilium, Relay and the shop", memory(cluster))
        assert cluster.bin_dir is not None
        real = shutil.which("kubectl", path=os.environ.get("PATH", ""))
        commands = {
            "bundled kubectl get pods": (str(cluster.bin_dir / "kubectl"), "-n", "shop", "get", "pods"),
            "bundled hubble observe": (str(cluster.bin_dir / "hubble"), "observe"),
            "an empty interpreter": (sys.executable, "-IS", "-c", "pass"),
        }
        if real is not None and Path(real).parent != cluster.bin_dir:
            commands["real kubectl get pods"] = (real, "-n", "shop", "get", "pods")
        for what, command in commands.items():
            run(cluster, *command)
            say(what, seconds([timed(functools.partial(run, cluster, *command)) for _ in range(2 * rounds)]))


class Pair:
    """The intruder and one backend: does a connection get through?"""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._client = api.list("Pod", "dev", "app=intruder")[0]["metadata"]["name"]
        self._address = api.list("Pod", "shop", "app=backend")[0]["status"]["podIP"]

    def connects(self) -> bool:
        """Try, for at most 20 ms. A pod that does not run yet connects to nothing."""
        url = f"http://{self._address}:8080/"
        words = ["curl", "-s", "-o", "/dev/null", "--connect-timeout", "0.02", url]
        try:
            return self._api.execute("dev", self._client, words).exit_code == 0
        except ProbeError:
            return False


def rule(name: str, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    """A CiliumNetworkPolicy in the shop."""
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"endpointSelector": {"matchLabels": labels}, **spec},
    }


def effect(api: Api, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """(time of one try, apply to first refusal, delete to first success)."""
    pair = Pair(api)
    tries, closing, opening = [], [], []
    policy = rule("closed", {"app": "backend"}, ingress=[{}])
    for _ in range(rounds):
        tries.append(timed(lambda: until(pair.connects, pause=0)))

        def close() -> None:
            api.apply(policy)
            until(lambda: not pair.connects(), pause=0)

        def reopen() -> None:
            api.delete("CiliumNetworkPolicy", "closed", "shop")
            until(pair.connects, pause=0)

        closing.append(timed(close))
        opening.append(timed(reopen))
    return tries, closing, opening


def policy(rounds: int) -> None:
    """Applied to effect."""
    with twin() as cluster:
        api = Api(cluster.api())
        install(cluster, api)
        tries, closing, opening = effect(api, 2 * rounds)
        say("one connection tried by exec and curl", seconds(tries))
        say("policy applied until it denies (with its try, and 20 ms of waiting)", seconds(closing))
        say("policy deleted until it allows (with its try)", seconds(opening))


def idle(rounds: int) -> None:
    """Nobody asks."""
    with twin() as cluster:
        install(cluster, Api(cluster.api()))
        time.sleep(3)
        shares = []
        for _ in range(rounds):
            effort = Effort(cluster)
            time.sleep(4)
            passed, computed = effort.read(cluster)
            shares.append(100 * computed / passed)
        say("of one processor, idle", f"{statistics.median(shares):.1f} % ({min(shares):.1f}–{max(shares):.1f})")


def crowd() -> list[dict[str, Any]]:
    """A thousand pods in fifty Deployments."""
    found = []
    for number in range(DEPLOYMENTS):
        labels = {"app": f"crowd-{number}", "team": f"team-{number % 10}", "crowd": "yes"}
        container = {"name": "main", "image": "nicolaka/netshoot:v0.14", "command": ["sleep", "infinity"]}
        found.append(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": f"crowd-{number}", "namespace": "shop"},
                "spec": {
                    "replicas": REPLICAS,
                    "selector": {"matchLabels": {"app": f"crowd-{number}"}},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                },
            }
        )
    return found


def rules() -> list[dict[str, Any]]:
    """Three hundred policies: each lets one part of the crowd, or its team, reach another at a port."""
    found = []
    for number in range(POLICIES):
        peer = {"team": f"team-{number % 10}"} if number % 3 else {"app": f"crowd-{number % DEPLOYMENTS}"}
        ports = [{"ports": [{"port": str(8000 + number % 40), "protocol": "TCP"}]}]
        ingress = [{"fromEndpoints": [{"matchLabels": peer}], "toPorts": ports}]
        found.append(rule(f"crowd-{number}", {"app": f"crowd-{(number * 7) % DEPLOYMENTS}"}, ingress=ingress))
    return found


def scale(rounds: int) -> None:
    """1,000 pods and 300 policies."""
    with twin() as cluster:
        api = Api(cluster.api())
        add_nodes(api)
        install(cluster, api)
        few = effect(api, rounds)
        effort = Effort(cluster)
        for item in [*crowd(), *rules()]:
            api.apply(item)
        say(f"{POLICIES} policies and {DEPLOYMENTS} Deployments applied", effort.told(cluster))
        full = DEPLOYMENTS * REPLICAS
        until(lambda: ready(api, "shop", "crowd=yes", full), PATIENCE, pause=0.5)
        say(f"until {full} pods are ready", effort.told(cluster))
        say(f"memory, {full} pods and {POLICIES} policies", memory(cluster))
        many = effect(api, rounds)
        for what, before, after in zip(("one connection", "closing", "opening"), few, many, strict=True):
            say(f"{what}: among ten pods", seconds(before))
            say(f"{what}: among {full} pods", seconds(after))
        home = Home(cluster.state_dir)
        say("down", f"{timed(cluster.down):.1f} s")
        effort = Effort()
        again = start_twin(home)
        api = Api(again.api())
        api.list("Pod", "shop")
        say("up again, a list of all pods", effort.told(again))
        pair = Pair(api)
        until(pair.connects, PATIENCE, pause=0.1)
        say("up again, a connection gets through", effort.told(again))
        until(lambda: ready(api, "shop", "crowd=yes", full), PATIENCE, pause=0.5)
        say("up again, all pods ready", effort.told(again))
        say("memory then", memory(again))


def add_nodes(api: Api) -> None:
    """More workers, since a node takes 110 pods."""
    for spec in node_specs(WORKERS)[3:]:
        body, status = node_bodies(spec)
        api.apply({"apiVersion": "v1", "kind": "Node", **body, "status": status})
        path = f"/api/v1/nodes/{spec.name}/status"
        api._request("PATCH", path, body={"status": status}, content="application/merge-patch+json")


PARTS: dict[str, Callable[[int], None]] = {
    "start": start,
    "tools": tools,
    "policy": policy,
    "idle": idle,
    "scale": scale,
    "ring": ring,
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.parts or PARTS:
        if name not in PARTS:
            parser.error(f"{name} is no part: {', '.join(PARTS)}")
        PARTS[name](arguments.rounds)


if __name__ == "__main__":
    main()
