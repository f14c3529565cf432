"""``cilium-labs up --backend kind``: every step looks first whether its work is done, so the command may be repeated.

An interrupted ``up`` is continued by the next one: a cluster that was only half made is made again, what came later is
added. Before anything is made it is written down (see ``ledgers``). A cluster of our name that is not written down is
somebody else's and left alone.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from urllib3.exceptions import HTTPError

from lab_helpers.clusters.cluster import Cluster
from lab_helpers.clusters.findings import refuse_if_bad
from lab_helpers.clusters.homes import Home
from lab_helpers.clusters.kind.ciliums import install_cilium
from lab_helpers.clusters.kind.commands import checked
from lab_helpers.clusters.kind.configs import CLUSTER, write_config
from lab_helpers.clusters.kind.corefiles import added_names, apply_zones, publish
from lab_helpers.clusters.kind.engines import Engine, find_engine
from lab_helpers.clusters.kind.errors import KindError, NotOurs
from lab_helpers.clusters.kind.images import load_into_engine, load_into_nodes, node_image
from lab_helpers.clusters.kind.ledgers import Ledger, Made
from lab_helpers.clusters.kind.outside_containers import OutsideContainer, outside_image
from lab_helpers.clusters.kind.preflights import examine
from lab_helpers.clusters.kind.steps import Lines, Reporter, reporting
from lab_helpers.clusters.tools.bundles import open_bundle
from lab_helpers.clusters.tools.linking import find_tool

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["NODE_LABEL", "KindCluster"]

NODE_LABEL: Final = f"io.x-k8s.kind.cluster={CLUSTER}"
CONTEXT: Final = f"kind-{CLUSTER}"
_API_ATTEMPTS: Final = 120


@dataclass
class KindCluster:
    """The cluster of one home. ``environ`` is where variables are read from.

    ``bundle`` is the folder of the bundle in use, known once ``up`` opened it.
    """

    home: Home
    report: Reporter = field(default_factory=lambda: Lines(lambda _line: None))
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    sleep: Callable[[float], None] = time.sleep
    bundle: Path | None = None

    @property
    def kubeconfig(self) -> Path:
        """Never the user's own."""
        return self.home.kind / "kubeconfig"

    @property
    def network(self) -> str:
        """The engine's network that kind uses."""
        return self.environ.get("KIND_EXPERIMENTAL_DOCKER_NETWORK") or "kind"

    def up(self, version: str, *, with_cilium: bool = False, port: int = 0) -> None:
        """Make what is missing. Raises KindError, ClusterError."""
        ledger = Ledger(self.home)
        with reporting(self.report, "looking at this machine") as noted:
            made = ledger.read()
            found = list(examine(self.home, self.environ, port=port, ours=made is not None and made.state == "made"))
            found = refuse_if_bad(found, where="cilium-labs doctor --backend kind", kind=KindError)
            count = sum(one.level == "note" for one in found)
            noted.text = f"{count} notes (cilium-labs doctor --backend kind)" if count else "all is well"
        engine = find_engine(self.environ)
        bundle = self.bundle = self._bundle()
        if bundle is not None:
            with reporting(self.report, "images from the bundle") as noted:
                noted.text = load_into_engine(engine, bundle)
        made = self._nodes(engine, ledger, port)
        self._kubeconfig(engine)
        self._wait()
        if bundle is not None:
            with reporting(self.report, "images into the nodes") as noted:
                noted.text = load_into_nodes(engine, self._kind(), bundle)
        self._outside(engine, ledger, made)
        if with_cilium:
            helm = self._tool("helm")
            with reporting(self.report, f"Cilium {version}"):
                install_cilium(helm, version, self.kubeconfig, bundle=bundle, say=self.report.detail)

    def cluster(self) -> Cluster:
        """As the rest of the course sees it."""
        return Cluster(
            backend="kind",
            name=CLUSTER,
            state_dir=self.home.path,
            kubeconfig=self.kubeconfig,
            context=CONTEXT,
            bin_dir=self.home.bin,
        )

    def _nodes(self, engine: Engine, ledger: Ledger, port: int) -> Made:
        with reporting(self.report, "the cluster: one control plane, two workers") as noted:
            made, there = ledger.read(), engine.containers(NODE_LABEL)
            if made is not None and made.state == "made" and there:
                if {one.name: one.id for one in there} == dict(made.nodes):
                    noted.text = self._start(engine, [one.name for one in there if not one.running])
                    return made
                if not set(made.nodes.values()) & {one.id for one in there}:
                    made = None  # ours is gone, and another has taken its name
            if there and made is None:
                raise NotOurs(
                    f'a kind cluster named "{CLUSTER}" exists and was not made from here',
                    where=", ".join(one.name for one in there),
                    try_=f"kind delete cluster --name {CLUSTER}, or use it: "
                    f"cilium-labs up --backend existing --context {CONTEXT}",
                )
            if there:
                self.report.detail("a half-made cluster is removed first")
                self._run_kind(engine, "delete", "cluster", "--name", CLUSTER, timeout=180.0)
            image = node_image(engine, self.environ)
            network_made = (made.network_made if made else False) or engine.network(self.network) is None
            made = ledger.write(Made("creating", engine.name, self.network, network_made, image))
            config = self.home.kind / "cluster.yaml"
            write_config(config, port=port)
            words = ["create", "cluster", "--name", CLUSTER, "--config", str(config), "--image", image]
            self._run_kind(engine, *words, "--kubeconfig", str(self.kubeconfig), timeout=900.0)
            nodes = {one.name: one.id for one in engine.containers(NODE_LABEL)}
            return ledger.change(made, state="made", nodes=nodes)

    def _start(self, engine: Engine, stopped: list[str]) -> str:
        if not stopped:
            return "there already"
        engine.do("start", *stopped, timeout=120.0)
        return f"there already; started {', '.join(stopped)}"

    def _kubeconfig(self, engine: Engine) -> None:
        if not self.kubeconfig.is_file():
            words = ("export", "kubeconfig", "--name", CLUSTER, "--kubeconfig", str(self.kubeconfig))
            self._run_kind(engine, *words, timeout=60.0)
        if os.name == "posix":
            self.kubeconfig.chmod(0o600)

    def _wait(self) -> None:
        """Nodes that were started anew take a while until their API server answers."""
        cluster = self.cluster()
        if cluster.reachable():
            return
        with reporting(self.report, "the API server"):
            for _ in range(_API_ATTEMPTS):
                if cluster.reachable():
                    return
                self.sleep(1.0)
            raise KindError(
                "the API server does not answer",
                where=str(self.kubeconfig),
                try_="docker logs cilium-labs-control-plane; cilium-labs down and up make the cluster anew",
            )

    def _outside(self, engine: Engine, ledger: Ledger, made: Made) -> None:
        """A learner's names are read here: they are served when ``up`` is repeated, not at once as on the twin."""
        with self._asking() as api:
            added, problem = added_names(api)
        container = OutsideContainer(
            engine, self.network, self.home.kind / "outside", image=outside_image(self.environ), added=added
        )
        with reporting(self.report, "the outside: names, servers, certificates") as noted:
            authority = container.prepare()
            wanted = container.sum()
            if made.outside_sum == wanted and container.answers():
                noted.text = "there already"
            else:
                made = ledger.change(made, outside=container.make(), outside_sum=wanted)
                container.wait()
            noted.text = problem or noted.text
        with reporting(self.report, "the cluster's way to it: routes, DNS zones") as noted:
            address = container.address()
            container.route(made.nodes, address)
            with self._asking() as api:
                changed = apply_zones(api, container.zones, address)
                publish(api, authority)
            noted.text = f"at {address}" if changed else f"at {address}, there already"

    @contextlib.contextmanager
    def _asking(self) -> Iterator[ApiClient]:
        try:
            with self.cluster().api() as api:
                yield api
        except HTTPError as error:
            raise KindError(
                f"the API server stopped answering: {error}",
                where=str(self.kubeconfig),
                try_="cilium-labs up --backend kind goes on from here",
            ) from error

    def _bundle(self) -> Path | None:
        path = self.environ.get("CILIUM_LABS_BUNDLE", "")
        return open_bundle(Path(path).expanduser(), self.home.path / "bundle") if path else None

    def _kind(self) -> str:
        return self._tool("kind")

    def _tool(self, name: str) -> str:
        program = find_tool(self.home, name, self.environ)
        if program is None:
            raise KindError(f"{name} is not installed", try_=f"cilium-labs tools install {name}")
        return program

    def _run_kind(self, engine: Engine, *words: str, timeout: float) -> None:
        checked([self._kind(), *words], timeout=timeout, environ=engine.variables, say=self.report.detail)
