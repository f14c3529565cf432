"""A twin of another process as somebody's cluster: looked at first, worked on in marked namespaces, left as found."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from lab_helpers.clusters import Cluster, ClusterError, Home, connect, start_twin, twins
from lab_helpers.clusters.existing import MARK, adopt, marked_namespaces, preflight
from lab_helpers.course.answering import Answers
from lab_helpers.course.api import Api
from lab_helpers.course.records import Applied, Records
from lab_helpers.course.staging import Stager
from lab_helpers.course.tasks import Stage
from lab_helpers.course.tooling import Tools

CCNP = """
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: everybody}
spec: {endpointSelector: {}, ingress: [{}]}
"""


@pytest.fixture(scope="module")
def somebodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Their cluster, with Cilium and Relay, and a kubeconfig of theirs with two contexts."""
    home = Home(tmp_path_factory.mktemp("theirs"))
    twin = start_twin(home)
    tools = Tools(twin.environment())
    api = Api(twin.api())
    Stager(api, tools, own=True, say=lambda _text: None).reach(Stage.CILIUM)
    api.close()
    yield twin
    twins.stop(home)


@pytest.fixture(scope="module")
def theirs(somebodys: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig whose current context is another cluster's, with files named from its own folder."""
    folder = tmp_path_factory.mktemp("kube")
    config = json.loads(somebodys.kubeconfig.read_text(encoding="utf-8"))
    config["contexts"][0]["name"] = "theirs"
    other = {"name": "production", "context": {"cluster": "production", "user": "me"}}
    config["contexts"].append(other)
    config["clusters"].append({"name": "production", "cluster": {"server": "https://127.0.0.1:9"}})
    config["users"].append({"name": "me", "user": {"client-certificate": "me.crt"}})
    config["current-context"] = "production"
    (folder / "config").write_text(json.dumps(config), encoding="utf-8")
    return folder / "config"


def cli(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    hidden = ("HUBBLE_SERVER", "KUBECONFIG")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, "-m", "lab_helpers.cli", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**environ, "CILIUM_LABS_HOME": str(home), **variables},
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_labs_get_a_kubeconfig_with_that_one_context(tmp_path: Path, theirs: Path) -> None:
    before = theirs.read_bytes()
    cluster = adopt(Home(tmp_path), context="theirs", kubeconfig=str(theirs))
    text = cluster.kubeconfig.read_text(encoding="utf-8")
    assert cluster.kubeconfig != theirs
    assert "current-context: theirs" in text
    assert "production" not in text
    assert theirs.read_bytes() == before
    if os.name == "posix":
        assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600


def test_files_are_named_from_the_root(tmp_path: Path, theirs: Path) -> None:
    with pytest.raises(ClusterError, match="does not answer"):
        adopt(Home(tmp_path), context="production", kubeconfig=str(theirs))
    text = (tmp_path / "existing.kubeconfig").read_text(encoding="utf-8")
    assert f"client-certificate: {theirs.parent / 'me.crt'}" in text


def test_preflight_of_a_good_cluster(tmp_path: Path, theirs: Path) -> None:
    found = list(preflight(adopt(Home(tmp_path), context="theirs", kubeconfig=str(theirs))))
    assert {one.level for one in found} == {"ok"}, found
    text = "\n".join(one.what for one in found)
    for word in ("Kubernetes v1.34", "Cilium 1.20.2", "Hubble Relay is ready", "rights that labs use"):
        assert word in text


@pytest.mark.parametrize(
    ("version", "level"),
    [("1.17.9", "bad"), ("1.18.0", "ok"), ("1.21.0-pre.0", "ok"), ("2.0.1", "ok"), ("main", "note")],
)
def test_versions(tmp_path: Path, theirs: Path, version: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = adopt(Home(tmp_path), context="theirs", kubeconfig=str(theirs))
    monkeypatch.setattr(Cluster, "versions", lambda _self: {"kubernetes": "v1.34.2", "cilium": version})
    found = [one for one in preflight(cluster) if "Cilium" in one.what]
    assert [one.level for one in found] == [level]


def test_missing_rights_are_named(tmp_path: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[client.V1ResourceAttributes] = []

    def answer(_self: object, body: client.V1SelfSubjectAccessReview) -> client.V1SelfSubjectAccessReview:
        attributes = body.spec.resource_attributes
        asked.append(attributes)
        allowed = attributes.subresource != "exec" and attributes.resource != "ciliumclusterwidenetworkpolicies"
        body.status = client.V1SubjectAccessReviewStatus(allowed=allowed)
        return body

    monkeypatch.setattr(client.AuthorizationV1Api, "create_self_subject_access_review", answer)
    cluster = adopt(Home(tmp_path), context="theirs", kubeconfig=str(theirs))
    found = [one for one in preflight(cluster) if "you may not" in one.what]
    assert [(one.level, one.what.partition(":")[0]) for one in found] == [
        ("bad", "you may not create pods/exec in shop"),
        ("note", "you may not create pods/exec in kube-system"),
        ("note", "you may not create ciliumclusterwidenetworkpolicies.cilium.io"),
    ]
    assert len(asked) == 17


def test_a_namespace_of_theirs_is_not_taken(tmp_path: Path, theirs: Path, somebodys: Cluster) -> None:
    with somebodys.api() as api:
        core = client.CoreV1Api(api)
        core.create_namespace({"metadata": {"name": "dev"}})
        try:
            done = cli(tmp_path, "up", "--backend", "existing", "--context", "theirs", "--kubeconfig", str(theirs))
        finally:
            core.delete_namespace("dev")
    assert done.returncode == 1
    assert 'the namespace "dev" exists and is not the course\'s' in done.stderr
    assert "kubectl annotate namespace dev" in done.stderr


def _names(cluster: Cluster) -> set[tuple[str, str]]:
    api = Api(cluster.api())
    try:
        return {
            (item["metadata"].get("namespace", ""), f"{kind} {item['metadata']['name']}")
            for kind in (
                "Namespace",
                "CiliumClusterwideNetworkPolicy",
                "CiliumNetworkPolicy",
                "Deployment",
                "ConfigMap",
            )
            for item in api.list(kind)
            if item["metadata"].get("deletionTimestamp") is None
        }
    finally:
        api.close()


def test_up_work_down_leaves_nothing_behind(tmp_path: Path, theirs: Path, somebodys: Cluster) -> None:
    before = _names(somebodys)
    arguments = ("--backend", "existing", "--context", "theirs", "--kubeconfig", str(theirs))
    done = cli(tmp_path, "up", *arguments)
    assert done.returncode == 0, done.stderr
    cluster = connect(Home(tmp_path))
    assert (cluster.backend, cluster.facts["cluster_wide"]) == ("existing", False), "nobody was asked, so no"
    with cluster.hubble() as hubble:
        assert hubble.status().max_flows > 0, "Relay is reached through the API server"

    api, tools = Api(cluster.api()), Tools(cluster.environment())
    stager = Stager(api, tools, own=False, say=lambda _text: None)
    stager.reach(Stage.SHOP)
    assert marked_namespaces(cluster) == ["dev", "shop"]
    shop = api.get("Namespace", "shop")
    assert shop is not None
    assert shop["metadata"]["labels"][MARK] == "shop"

    confined = Answers(api, tools, everywhere=False)
    refused = confined.apply(CCNP)
    assert "not applied: CiliumClusterwideNetworkPolicy everybody" in refused.ran.output
    assert api.get("CiliumClusterwideNetworkPolicy", "everybody") is None
    allowed = Answers(api, tools).apply(CCNP)
    assert allowed.ran, allowed.ran.output
    Records(tmp_path / "progress.db").apply(stager.identity(), "a-lab", list(allowed.objects))
    assert allowed.objects == (Applied("CiliumClusterwideNetworkPolicy", "", "everybody"),)
    api.close()

    status = json.loads(cli(tmp_path, "status", "-o", "json").stdout)
    assert status["ours"] == "namespaces: dev, shop"
    assert status["cluster-wide"] == "changes by labs are not allowed"
    assert status["hubble"].endswith("flows through the API server")
    doctor = cli(tmp_path, "doctor", "--backend", "existing")
    assert "rights that labs use are there" in doctor.stdout

    down = cli(tmp_path, "down")
    assert down.returncode == 0, down.stderr
    assert "CiliumClusterwideNetworkPolicy everybody, namespace dev, namespace shop" in down.stdout
    assert _names(somebodys) == before
    assert twins.describe(Home(somebodys.state_dir)) is not None, "their cluster runs on"


def test_consent_is_kept(tmp_path: Path, theirs: Path) -> None:
    arguments = ("--backend", "existing", "--context", "theirs", "--kubeconfig", str(theirs))
    assert cli(tmp_path, "up", *arguments, "--cluster-wide").returncode == 0
    assert connect(Home(tmp_path)).facts["cluster_wide"] is True
    other = cli(tmp_path, "up")
    assert other.returncode == 1
    assert "this home uses a cluster of the backend existing" in other.stderr
