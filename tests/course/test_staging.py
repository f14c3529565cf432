"""Bringing the cluster to a lab's start: idempotent, total, and careful with clusters that are not the course's."""

from __future__ import annotations

from typing import Any

import pytest

from lab_helpers.course import shopping
from lab_helpers.course.errors import StageError
from lab_helpers.course.records import Applied
from lab_helpers.course.staging import Stager, Waiting
from lab_helpers.course.tasks import Stage
from lab_helpers.course.tooling import Ran
from tests.course.fakes import FakeApi, FakeTools, cilium, kube_system, pod, ready_node, shop


def stager(api: FakeApi, tools: FakeTools | None = None, *, own: bool = True) -> Stager:
    return Stager(api, tools or FakeTools(), own=own, say=lambda _text: None)  # type: ignore[arg-type]


def full() -> FakeApi:
    return FakeApi().put(*kube_system(), *cilium(), *shop())


def names(api: FakeApi, kind: str) -> list[str]:
    return [item["metadata"]["name"] for item in api.list(kind)]


def test_the_shop_is_a_valid_story() -> None:
    found = shopping.manifests()
    kinds = {(item["kind"], item["metadata"]["name"]) for item in found}
    assert {("Deployment", name) for name in ("frontend", "backend", "payments", "redis", "intruder")} <= kinds
    code = next(item for item in found if item["kind"] == "ConfigMap")
    assert "def " in code["data"]["server.py"]
    assert found[0]["kind"] == "Namespace"
    assert "kind: Deployment" in shopping.manifest_text()
    for item in found:
        if item["kind"] == "Deployment":
            labels = item["spec"]["template"]["metadata"]["labels"]
            assert labels == item["spec"]["selector"]["matchLabels"] == {"app": item["metadata"]["name"]}


def test_cilium_is_installed_by_helm_with_the_address_of_the_api_server() -> None:
    api = FakeApi().put(*kube_system(), ready_node("node-1", ready=False))
    tools = FakeTools(on_run=lambda line, _stdin: api.put(*cilium()) if " --install " in line else None)
    stager(api, tools).reach(Stage.SHOP)
    install = next(line for line in tools.ran if "--install" in line)
    assert "--set kubeProxyReplacement=true" in install
    assert "--set k8sServiceHost=172.18.0.2 --set k8sServicePort=6443" in install
    assert names(api, "Deployment")[-1] == "redis"


def test_without_internet_cilium_comes_from_the_chart_that_is_here() -> None:
    api = FakeApi().put(*kube_system(), ready_node("node-1", ready=False))
    tools = FakeTools(on_run=lambda line, _stdin: api.put(*cilium()) if " --install " in line else None)
    chart = ("/room/charts/cilium-1.20.2.tgz", "--values", "/by-tag.yaml")
    Stager(api, tools, own=True, say=lambda _text: None, chart=chart).reach(Stage.CILIUM)  # type: ignore[arg-type]
    (command,) = [line for line in tools.ran if line.startswith("helm")]
    assert command.startswith(f"helm upgrade --install cilium {' '.join(chart)} --namespace kube-system --set ")


def test_a_stage_that_is_reached_changes_nothing() -> None:
    api, tools = full(), FakeTools()
    before = sorted(api.objects)
    stager(api, tools).reach(Stage.SHOP)
    assert tools.ran == []
    assert sorted(api.objects) == before


def test_changed_values_are_given_back_and_agents_restart() -> None:
    api = full()
    api.objects["ConfigMap", "kube-system", "cilium-config"]["data"]["kube-proxy-replacement"] = "false"
    tools = FakeTools()
    stager(api, tools).reach(Stage.CILIUM)
    assert any("--install" in line for line in tools.ran)
    assert "kubectl -n kube-system rollout restart daemonset/cilium" in tools.ran


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("tofqdns-min-ttl", "3600"),
        ("tofqdns-endpoint-max-ip-per-hostname", "10"),
        ("tofqdns-idle-connection-grace-period", "1h"),
    ],
)
def test_options_that_a_lab_set_past_the_chart_are_taken_back(option: str, value: str) -> None:
    api = full()
    data = api.objects["ConfigMap", "kube-system", "cilium-config"]["data"]
    data[option] = value
    tools = FakeTools()
    stager(api, tools).reach(Stage.CILIUM)
    assert option not in data
    assert "kubectl -n kube-system rollout restart daemonset/cilium" in tools.ran
    again = FakeTools()
    stager(api, again).reach(Stage.CILIUM)
    assert not any("upgrade" in line for line in again.ran)


def test_an_option_that_keeps_agents_from_starting_is_taken_back_too() -> None:
    api = full()
    agents = api.objects["DaemonSet", "kube-system", "cilium"]
    data = api.objects["ConfigMap", "kube-system", "cilium-config"]["data"]
    data["tofqdns-min-ttl"] = "1h"
    agents["status"]["numberReady"] = 0

    def restarts(line: str, _stdin: str) -> None:
        if line.endswith("rollout restart daemonset/cilium"):
            agents["status"]["numberReady"] = 1 if "tofqdns-min-ttl" not in data else 0

    tools = FakeTools(on_run=restarts)
    Stager(api, tools, own=True, say=lambda _text: None).reach(Stage.CILIUM)  # type: ignore[arg-type]
    assert agents["status"]["numberReady"] == 1


def test_another_version_is_replaced() -> None:
    api = full()
    agents = api.objects["DaemonSet", "kube-system", "cilium"]
    agents["spec"]["template"]["spec"]["containers"][0]["image"] = "quay.io/cilium/cilium:v1.19.8"
    tools = FakeTools()
    stager(api, tools).reach(Stage.SHOP)
    assert any("--version 1.20.2" in line for line in tools.ran)


def test_a_lab_about_an_older_version_needs_a_cluster_that_was_never_newer() -> None:
    def needing(charts: str) -> Stager:
        tools = FakeTools(replies={"helm history": Ran(0, charts)})
        nobody = {"own": True, "say": lambda _text: None}
        return Stager(full(), tools, version="1.19.8", needed=True, **nobody)  # type: ignore[arg-type]

    assert needing('[{"revision":1,"chart":"cilium-1.19.8"},{"revision":2,"chart":"cilium-1.20.2"}]').is_past()
    assert not needing('[{"revision":1,"chart":"cilium-1.19.8"}]').is_past()
    assert not stager(full()).is_past()


def test_somebodys_cluster_of_another_version_is_left_alone() -> None:
    tools = FakeTools()
    wanting = Stager(full(), tools, own=False, say=lambda _text: None, version="1.19.8", needed=True)  # type: ignore[arg-type]
    with pytest.raises(StageError, match=r"needs Cilium 1\.19; this cluster runs 1\.20\.2"):
        wanting.reach(Stage.SHOP)
    assert tools.ran == []


def test_parts_of_the_story_are_applied_beside_the_shop() -> None:
    names_of = {item["metadata"]["name"] for item in shopping.manifests(["kafka"])}
    assert {"kafka", "kafka-payroll", "checkout", "warehouse", "payroll", "backend"} <= names_of
    assert "kafka" not in {item["metadata"]["name"] for item in shopping.manifests()}


def test_what_learners_left_goes_away_and_what_they_changed_comes_back() -> None:
    api = full()
    policy = {"kind": "CiliumNetworkPolicy", "metadata": {"name": "p", "namespace": "shop"}}
    clusterwide = {"kind": "CiliumClusterwideNetworkPolicy", "metadata": {"name": "wide"}}
    stray = pod("stray", "dev")
    other = {"kind": "CiliumNetworkPolicy", "metadata": {"name": "p", "namespace": "elsewhere"}}
    api.put(policy, clusterwide, stray, other)
    api.get("Namespace", "shop")["metadata"]["labels"] = {"team": "x", "kubernetes.io/metadata.name": "shop"}  # type: ignore[index]
    relabelled = next(item for item in api.list("Pod", "shop") if item["metadata"]["name"].startswith("frontend"))
    relabelled["metadata"]["labels"]["app"] = "frontent"
    del api.objects["Service", "shop", "backend"]
    stager(api).reach(Stage.SHOP, leftovers=[Applied("CiliumClusterwideNetworkPolicy", "", "wide")])
    assert api.list("CiliumClusterwideNetworkPolicy") == []
    assert api.list("CiliumNetworkPolicy") == [other]
    assert api.get("Pod", "stray", "dev") is None
    assert api.get("Service", "backend", "shop") is not None
    assert relabelled not in api.objects.values()


def test_cilium_in_another_namespace_is_found() -> None:
    def secret(namespace: str, release: str) -> dict[str, Any]:
        return {"kind": "Secret", "metadata": {"name": f"sh.helm.release.v1.{release}.v1", "namespace": namespace}}

    api = FakeApi().put(*kube_system(), secret("kube-system", "cilium"), secret("default", "tetragon"))
    assert not stager(api).is_misplaced()
    api.put(secret("default", "cilium"))
    assert stager(api).is_misplaced()


def test_bare_means_that_cilium_never_was_there() -> None:
    bare = FakeApi().put(*kube_system(), ready_node("node-1", ready=False))
    stager(bare).reach(Stage.BARE)
    release = {"kind": "Secret", "metadata": {"name": "sh.helm.release.v1.cilium.v1", "namespace": "kube-system"}}
    for item in (release, ready_node("node-2"), *cilium()[:1]):
        api = FakeApi().put(*bare.objects.values(), item)
        with pytest.raises(StageError, match="is, or was, installed"):
            stager(api).reach(Stage.BARE)


def test_a_cluster_of_somebodys_own_gets_no_cilium() -> None:
    tools = FakeTools()
    with pytest.raises(StageError, match="runs no Cilium"):
        stager(FakeApi().put(*kube_system()), tools, own=False).reach(Stage.CILIUM)
    assert tools.ran == []


def test_a_namespace_that_is_not_ours_is_left_alone() -> None:
    api = FakeApi().put(*kube_system(), *cilium(), {"kind": "Namespace", "metadata": {"name": "dev"}})
    with pytest.raises(StageError, match=r'namespace "dev" exists[\s\S]*kubectl annotate namespace dev'):
        stager(api).reach(Stage.SHOP)


def test_what_helm_says_is_passed_on() -> None:
    api = FakeApi().put(*kube_system())
    tools = FakeTools({"helm repo": Ran(1, "Error: no network")})
    with pytest.raises(StageError, match="helm repo failed: Error: no network"):
        stager(api, tools).reach(Stage.CILIUM)


def test_waiting_says_what_is_missing_and_gives_up() -> None:
    said: list[str] = []
    left = ["a, b", "a, b", "b", ""]
    pauses: list[float] = []
    Waiting(said.append, pauses.append).until("it", lambda: left.pop(0))
    assert said == ["waiting for it: a, b", "waiting for it: b"]
    assert pauses == sorted(pauses)
    with pytest.raises(StageError, match=r"waited 0 s for it: c\ntry: +lab.reset"):
        Waiting(said.append, pauses.append).until("it", lambda: "c", seconds=0)


def test_time_that_was_moved_is_no_reason_to_give_up() -> None:
    rounds = iter(["agents start"] * 1000 + [""])
    moved: list[float] = []
    Waiting(lambda _line: None, moved.append).until("Cilium", lambda: next(rounds), seconds=300)
    assert sum(moved) > 300
