from __future__ import annotations

from typing import Any

import pytest

from lab_helpers.tools.charts import Chart, TemplateError, find_chart
from lab_helpers.tools.helm import HelmError, NotFoundError
from lab_helpers.tools.helm.records import decode, encode
from lab_helpers.tools.helm.releases import Helm, ValuesFrom
from tests.tools.helm.fakes import FakeApi, path_of, status

CONFIG = "cilium-config"


def chart(version: str = "1.20.2") -> Chart:
    found = find_chart("cilium", version)
    assert found is not None
    return found


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def helm(api: FakeApi) -> Helm:
    return Helm(api, path_of, "kube-system", sleep=lambda _: None)


def test_install_writes_objects_and_a_release(api: FakeApi, helm: Helm) -> None:
    release = helm.install("cilium", chart(), {"kubeProxyReplacement": True})
    assert (release.status, release.version, release.description) == ("deployed", 1, "Install complete")
    agent = api.find("DaemonSet", "cilium", api_version="apps/v1")
    assert agent["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert agent["metadata"]["annotations"] == {
        "meta.helm.sh/release-name": "cilium",
        "meta.helm.sh/release-namespace": "kube-system",
    }
    assert api.find("ConfigMap", CONFIG)["data"]["kube-proxy-replacement"] == "true"
    secret = api.find("Secret", "sh.helm.release.v1.cilium.v1")
    assert secret["type"] == "helm.sh/release.v1"
    assert {key: secret["metadata"]["labels"][key] for key in ("name", "owner", "status", "version")} == {
        "name": "cilium",
        "owner": "helm",
        "status": "deployed",
        "version": "1",
    }
    order = api.touched("POST")
    places = [order.index(name) for name in ("cilium-secrets", "cilium-ca", CONFIG, "hubble-peer")]
    assert places == sorted(places)


def test_a_release_survives_its_encoding(helm: Helm) -> None:
    release = helm.install("cilium", chart(), {"debug": {"enabled": True}})
    assert decode(encode(release)).as_json() == release.as_json()


def test_a_name_is_used_once(helm: Helm) -> None:
    helm.install("cilium", chart(), {})
    with pytest.raises(HelmError, match="cannot reuse a name that is still in use"):
        helm.install("cilium", chart(), {})


def test_refused_values_change_nothing(api: FakeApi, helm: Helm) -> None:
    with pytest.raises(TemplateError):
        helm.install("cilium", chart(), {"kubeProxyReplacement": "strict"})
    assert not api.writes


def test_somebody_elses_object_is_not_taken(api: FakeApi, helm: Helm) -> None:
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cilium", "namespace": "kube-system"}}
    api.post("/api/v1/namespaces/kube-system/serviceaccounts", body)
    with pytest.raises(HelmError) as caught:
        helm.install("cilium", chart(), {})
    assert str(caught.value).startswith(
        'Unable to continue with install: ServiceAccount "cilium" in namespace "kube-system" exists and cannot be '
        "imported into the current release: invalid ownership metadata; label validation error: missing key "
        '"app.kubernetes.io/managed-by": must be set to "Helm"; annotation validation error: missing key '
        '"meta.helm.sh/release-name": must be set to "cilium"'
    )


def test_a_missing_namespace(api: FakeApi) -> None:
    helm = Helm(api, path_of, "cilium-system", sleep=lambda _: None)
    with pytest.raises(HelmError, match='create: failed to create: namespaces "cilium-system" not found'):
        helm.install("cilium", chart(), {})
    assert helm.install("cilium", chart(), {}, create_namespace=True).status == "deployed"


def test_an_upgrade_changes_only_what_differs(api: FakeApi, helm: Helm) -> None:
    helm.install("cilium", chart(), {})
    api.writes.clear()
    release = helm.upgrade("cilium", chart(), {"debug": {"enabled": True}})
    assert release.version == 2
    assert api.touched("PATCH") == [CONFIG]
    assert api.find("ConfigMap", CONFIG)["data"]["debug"] == "true"
    assert [item.status for item in helm.storage.history("cilium")] == ["superseded", "deployed"]


def test_an_upgrade_adds_and_removes_parts(api: FakeApi, helm: Helm) -> None:
    helm.install("cilium", chart(), {"hubble": {"relay": {"enabled": True}}})
    assert api.find("Deployment", "hubble-relay", api_version="apps/v1")
    helm.upgrade("cilium", chart(), {"hubble": {"relay": {"enabled": False}}})
    assert path_of("apps/v1", "Deployment", "kube-system", "hubble-relay") not in api.objects
    with pytest.raises(KeyError):
        api.find("Service", "hubble-relay")


def test_a_key_that_is_no_longer_written_disappears(api: FakeApi, helm: Helm) -> None:
    helm.install("cilium", chart(), {"dnsProxy": {"minTtl": 60}})
    helm.upgrade("cilium", chart(), {"dnsProxy": {"minTtl": 0}})
    assert "tofqdns-min-ttl" not in api.find("ConfigMap", CONFIG)["data"]


def test_other_peoples_additions_stay(api: FakeApi, helm: Helm) -> None:
    helm.install("cilium", chart(), {})
    api.find("DaemonSet", "cilium", api_version="apps/v1")["metadata"]["annotations"]["note"] = "mine"
    helm.upgrade("cilium", chart("1.19.8"), {})
    agent = api.find("DaemonSet", "cilium", api_version="apps/v1")
    assert agent["metadata"]["annotations"]["note"] == "mine"
    assert agent["spec"]["template"]["spec"]["containers"][0]["image"] == "quay.io/cilium/cilium:v1.19.8"


def test_drift_is_corrected(api: FakeApi, helm: Helm) -> None:
    helm.install("cilium", chart(), {})
    api.find("ConfigMap", CONFIG)["data"]["enable-policy"] = "always"
    helm.upgrade("cilium", chart(), {})
    assert api.find("ConfigMap", CONFIG)["data"]["enable-policy"] == "default"


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        (ValuesFrom.DEFAULT, {}, {"debug": {"enabled": True}}),
        (ValuesFrom.DEFAULT, {"l7Proxy": False}, {"l7Proxy": False}),
        (ValuesFrom.RESET, {}, {}),
        (ValuesFrom.REUSE, {"l7Proxy": False}, {"debug": {"enabled": True}, "l7Proxy": False}),
        (ValuesFrom.RESET_THEN_REUSE, {"l7Proxy": False}, {"debug": {"enabled": True}, "l7Proxy": False}),
    ],
)
def test_which_values_an_upgrade_takes_over(
    helm: Helm, mode: ValuesFrom, values: dict[str, Any], expected: dict[str, Any]
) -> None:
    helm.install("cilium", chart("1.19.8"), {"debug": {"enabled": True}})
    assert helm.upgrade("cilium", chart(), values, values_from=mode).config == expected


def test_reused_values_keep_the_old_chart_defaults(api: FakeApi, helm: Helm) -> None:
    helm.install("cilium", chart("1.19.8"), {})
    helm.upgrade("cilium", chart(), {}, values_from=ValuesFrom.REUSE)
    image = api.find("DaemonSet", "cilium", api_version="apps/v1")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "quay.io/cilium/cilium:v1.19.8"


def test_rollback(api: FakeApi, helm: Helm) -> None:
    helm.install("cilium", chart(), {})
    helm.upgrade("cilium", chart(), {"debug": {"enabled": True}})
    release = helm.rollback("cilium")
    assert (release.version, release.description) == (3, "Rollback to 1")
    assert api.find("ConfigMap", CONFIG)["data"]["debug"] == "false"
    assert [item.status for item in helm.storage.history("cilium")] == ["superseded", "superseded", "deployed"]


def test_uninstall_removes_everything(api: FakeApi, helm: Helm) -> None:
    before = set(api.objects)
    helm.install("cilium", chart(), {"hubble": {"relay": {"enabled": True}}})
    helm.uninstall("cilium")
    assert set(api.objects) == before
    with pytest.raises(NotFoundError, match="uninstall: Release not loaded: cilium: release: not found"):
        helm.uninstall("cilium")


def test_a_failed_installation_is_recorded(api: FakeApi, helm: Helm) -> None:
    api.refuse["/apis/apps/v1/namespaces/kube-system/daemonsets"] = status(403, "Forbidden", "no")
    with pytest.raises(HelmError, match="failed to create resource: no"):
        helm.install("cilium", chart(), {})
    assert helm.storage.last("cilium").status == "failed"


def test_atomic_undoes_a_failed_installation(api: FakeApi, helm: Helm) -> None:
    before = set(api.objects)
    api.refuse["/apis/apps/v1/namespaces/kube-system/daemonsets"] = status(403, "Forbidden", "no")
    with pytest.raises(HelmError, match="has been uninstalled due to atomic being set"):
        helm.install("cilium", chart(), {}, atomic=True)
    assert set(api.objects) == before


def test_waiting_ends_with_the_time(api: FakeApi, helm: Helm) -> None:
    with pytest.raises(HelmError, match="context deadline exceeded"):
        helm.install("cilium", chart(), {}, wait=0)


def test_waiting_for_ready_pods(api: FakeApi) -> None:
    def serve(_: float) -> None:
        for path, item in api.objects.items():
            if "/daemonsets/" in path:
                item["status"] = {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 3}
            if "/deployments/" in path:
                item["status"] = {"updatedReplicas": 2, "readyReplicas": 2}

    helm = Helm(api, path_of, "kube-system", sleep=serve)
    assert helm.install("cilium", chart(), {}, wait=60).status == "deployed"


def test_a_dry_run_writes_nothing(api: FakeApi, helm: Helm) -> None:
    release = helm.install("cilium", chart(), {}, dry_run=True)
    assert not api.writes
    assert "# Source: cilium/templates/cilium-agent/daemonset.yaml\n" in release.manifest


def test_only_ten_revisions_are_kept(helm: Helm) -> None:
    helm.install("cilium", chart(), {})
    for number in range(11):
        helm.upgrade("cilium", chart(), {"healthCheckICMPFailureThreshold": number + 1})
    assert [item.version for item in helm.storage.history("cilium")] == list(range(3, 13))
