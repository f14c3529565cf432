"""up, up again, status, down for kind: arguments, order, resumption, known failures. No engine is needed."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from lab_helpers.clusters import Cluster, connect
from lab_helpers.clusters.connecting import up_kind
from lab_helpers.clusters.environments import environment_file
from lab_helpers.clusters.kind import remove
from lab_helpers.clusters.kind.configs import problems
from lab_helpers.clusters.kind.steps import Lines
from lab_helpers.clusters.tools.catalogues import load_catalogue
from lab_helpers.course.offline import chart_here
from lab_helpers.tools.charts.cilium.charts import CiliumChart
from lab_helpers.tools.charts.cilium.defaults import defaults
from lab_helpers.tools.charts.cilium.versions import DEFAULT
from lab_helpers.twin.outside.names import CONFIG_MAP

NODES = ["cilium-labs-control-plane", "cilium-labs-worker", "cilium-labs-worker2"]
QUIET = Lines(lambda _line: None)


def test_up_makes_a_cluster_and_an_outside(machine, twin: Cluster) -> None:  # type: ignore[no-untyped-def]
    machine.cluster().up("1.20.2")
    (created,) = machine.calls("kind", "create")
    assert created[created.index("--image") + 1] == load_catalogue(environ={}).node_image
    kubeconfig = machine.home.kind / "kubeconfig"
    assert created[-1] == str(kubeconfig)
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    config = yaml.safe_load((machine.folder / "cluster.yaml").read_text(encoding="utf-8"))
    assert list(problems(config)) == []
    assert config["networking"]["disableDefaultCNI"] is True
    assert config["networking"]["kubeProxyMode"] == "none"
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
    assert machine.containers == [*NODES, "cilium-labs-outside"]
    (outside,) = machine.calls("docker", "create")
    words = " ".join(outside)
    assert "--network kind" in words
    assert "--cap-drop ALL --cap-add NET_ADMIN --cap-add NET_BIND_SERVICE" in words
    assert "--privileged" not in words
    copied = {path.name for path in (machine.folder / "copied" / "cilium-labs-outside").iterdir()}
    assert {"outside.py", "outside.json", "api.stripe.com.pem"} <= copied
    assert "ca.key" not in copied
    routes = machine.state["routes"]
    assert len(routes) == 9
    assert routes["cilium-labs-worker 203.0.113.0/24"] == "172.18.0.5"
    with twin.api() as api:
        core = client.CoreV1Api(api)
        corefile = core.read_namespaced_config_map("coredns", "kube-system").data["Corefile"]
        assert "stripe.com:53 {" in corefile
        assert corefile.count("forward . 172.18.0.5") == 3
        published = core.read_namespaced_config_map("cilium-labs-outside", "kube-system").data["ca.crt"]
    assert published.startswith("-----BEGIN CERTIFICATE-----")
    assert machine.calls("helm", "upgrade") == [], "the learner installs Cilium in lab 02"
    assert [line[0] for line in machine.said] == ["…", "✔"] * 4


def test_up_again_makes_nothing(quick) -> None:  # type: ignore[no-untyped-def]
    quick.cluster().up("1.20.2")
    before = quick.state["containers"]
    quick.forget_calls()
    quick.said.clear()
    quick.cluster().up("1.20.2")
    assert quick.state["containers"] == before
    assert quick.calls("kind", "create") == quick.calls("docker", "create") == quick.calls("docker", "rm") == []
    assert sum("there already" in line for line in quick.said) == 3


@pytest.mark.parametrize("bundle", [False, True])
def test_cilium_by_helm(quick, tmp_path: Path, bundle: bool) -> None:  # type: ignore[no-untyped-def]
    if bundle:
        folder = tmp_path / "bundle"
        for name in ("images", "charts"):
            (folder / name).mkdir(parents=True)
        node = "kindest/node:v1.34.11"
        (folder / "bundle.json").write_text(
            json.dumps(
                {"format": 1, "engine_images": [node, "python"], "node_images": ["quay.io/cilium/cilium:v1.20.2"]}
            ),
            encoding="utf-8",
        )
        (folder / "images" / "engine.tar").write_text(f"{node} python", encoding="utf-8")
        (folder / "images" / "nodes.tar").write_text("", encoding="utf-8")
        (folder / "charts" / "cilium-1.20.2.tgz").write_text("", encoding="utf-8")
        quick.environ["CILIUM_LABS_BUNDLE"] = str(folder)
    quick.cluster().up("1.20.2", with_cilium=True)
    (command,) = quick.calls("helm", "upgrade")
    words = " ".join(command)
    assert "--namespace kube-system" in words
    assert "--wait" in words
    if bundle:
        assert str(folder / "charts" / "cilium-1.20.2.tgz") in words
        assert f"--values {environment_file('kind', 'by-tag-values.yaml')}" in words
        (created,) = quick.calls("kind", "create")
        assert created[created.index("--image") + 1] == node, "an archive keeps no digest"
        assert len(quick.calls("kind", "load")) == 1
    else:
        assert "cilium --repo https://helm.cilium.io/ --version 1.20.2" in words
        assert "by-tag" not in words


def test_labs_find_the_chart_of_the_bundle(quick, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    chart = tmp_path / "room" / "charts" / "cilium-1.20.2.tgz"
    chart.parent.mkdir(parents=True)
    chart.write_bytes(b"chart")
    (tmp_path / "room" / "bundle.json").write_text('{"format": 1}', encoding="utf-8")
    monkeypatch.setenv("CILIUM_LABS_BUNDLE", str(tmp_path / "room"))
    monkeypatch.setenv("CILIUM_LABS_KIND_IMAGE", "kindest/node:1")
    up_kind(quick.home)
    monkeypatch.delenv("CILIUM_LABS_BUNDLE")
    cluster = connect(quick.home)
    assert chart_here(cluster, "1.20.2")[:2] == [str(chart), "--values"]
    assert chart_here(cluster, "1.19.8") == [], "the bundle has none of that version"


@pytest.fixture
def outside_names(twin: Cluster) -> Iterator[Callable[[str], None]]:
    """Sets the learner's names, and takes them away at the end."""
    namespace, name = CONFIG_MAP
    with twin.api() as api:
        core = client.CoreV1Api(api)
        core.create_namespaced_config_map(namespace, {"metadata": {"name": name}, "data": {"mine": ""}})

        def put(text: str) -> None:
            core.patch_namespaced_config_map(name, namespace, {"data": {"mine": text}})

        yield put
        core.delete_namespaced_config_map(name, namespace)


def test_names_that_a_learner_adds_are_served_when_up_is_repeated(quick, twin, outside_names) -> None:  # type: ignore[no-untyped-def]
    quick.cluster().up("1.20.2")
    first = quick.calls("docker", "create")
    outside_names(
        "names: {shop.example.net: {a: [192.0.2.7], ttl: 20, server: mine}, new.example.com: {a: [10.9.8.7]}}"
    )
    quick.forget_calls()
    quick.cluster().up("1.20.2")
    described = json.loads((quick.home.kind / "outside" / "outside.json").read_text(encoding="utf-8"))
    assert described["names"]["shop.example.net"]["ttl"] == 20
    assert {"192.0.2.7", "10.9.8.7"} <= set(described["listen"]) & set(described["certificates"])
    (again,) = quick.calls("docker", "create")
    assert again != first[0], "it is made anew"
    routed = " ".join(" ".join(call) for call in quick.calls("docker", "exec"))
    assert "ip route replace 192.0.2.0/24 via" in routed
    assert "ip route replace 10.9.8.7/32 via" in routed
    with twin.api() as api:
        corefile = client.CoreV1Api(api).read_namespaced_config_map("coredns", "kube-system").data["Corefile"]
    assert "shop.example.net:53 {" in corefile
    assert "new.example.com:53" not in corefile, "below a zone of the course"
    outside_names("names: {shop.example.net: {b: 1}}")
    quick.cluster().up("1.20.2")
    assert any("outside-names is left out: names.shop.example.net: unknown field 'b'" in line for line in quick.said)
    outside_names("")
    quick.cluster().up("1.20.2")
    with twin.api() as api:
        corefile = client.CoreV1Api(api).read_namespaced_config_map("coredns", "kube-system").data["Corefile"]
    assert "shop.example.net" not in corefile


def test_values_are_those_the_chart_accepts() -> None:
    values = yaml.safe_load(environment_file("kind", "cilium-values.yaml").read_text(encoding="utf-8"))
    known = defaults(DEFAULT)

    def check(given: object, chart: object, path: str) -> None:
        if isinstance(given, dict):
            assert isinstance(chart, dict), path
            for key, value in given.items():
                assert key in chart, f"{path}.{key} is no value of the chart"
                check(value, chart[key], f"{path}.{key}")
        elif chart not in (None, ""):
            assert isinstance(given, type(chart)), path

    check(values, known, "")
    chart = CiliumChart(DEFAULT)

    def merged(base: object, over: object) -> object:
        if isinstance(base, dict) and isinstance(over, dict):
            return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}
        return over

    complete = merged(chart.defaults(), values)
    assert isinstance(complete, dict)
    rendered = chart.render(complete, namespace="kube-system", lookup=lambda *_wanted: None)
    config = next(one.body["data"] for one in rendered.manifests if one.body["metadata"]["name"] == "cilium-config")
    assert config["kube-proxy-replacement"] == "true"
    relay = [one for one in rendered.manifests if one.body["metadata"]["name"] == "hubble-relay"]
    assert "Deployment" in {one.body["kind"] for one in relay}
    assert values["kubeProxyReplacement"] == "true"
    by_tag = yaml.safe_load(environment_file("kind", "by-tag-values.yaml").read_text(encoding="utf-8"))
    check(by_tag, known, "")
    assert "useDigest: true" not in yaml.safe_dump(merged(complete, by_tag)["hubble"])  # type: ignore[index]


def test_down_removes_exactly_what_was_made(quick) -> None:  # type: ignore[no-untyped-def]
    somebodys = {"id": "f" * 64, "name": "db", "network": "bridge", "labels": [], "state": "running"}
    quick.put(containers=[somebodys], networks=["bridge"], images=["somebodys:1"])
    quick.cluster().up("1.20.2")
    removed = remove(quick.home, QUIET, quick.environ)
    assert removed == [*NODES, "cilium-labs-outside", "network kind"]
    assert quick.state["containers"] == [somebodys]
    assert quick.state["networks"] == ["bridge"]
    assert quick.state["images"] == ["somebodys:1"]
    assert not quick.home.kind.exists()
    assert remove(quick.home, QUIET, quick.environ) == []


def test_a_network_that_was_there_stays(quick) -> None:  # type: ignore[no-untyped-def]
    quick.put(networks=["kind"])
    quick.cluster().up("1.20.2")
    remove(quick.home, QUIET, quick.environ)
    assert quick.state["networks"] == ["kind"]
