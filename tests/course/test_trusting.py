"""Manifests on a cluster whose outside has an authority of its own, and on others."""

from __future__ import annotations

from lab_helpers.clusters.kind.corefiles import AUTHORITY
from lab_helpers.course import shopping
from lab_helpers.course.trusting import PUBLISHED as PUBLISHED_NAME
from lab_helpers.course.trusting import trusting

PUBLISHED = {"kind": "ConfigMap", "metadata": {"name": "cilium-labs-outside"}, "data": {"ca.crt": "PEM"}}


def test_both_sides_mean_the_same_config_map() -> None:
    assert PUBLISHED_NAME == ("kube-system", AUTHORITY)


def test_without_an_authority_nothing_changes() -> None:
    manifests = shopping.manifests()
    assert trusting(manifests, None) == manifests
    assert trusting(manifests, {"data": {}}) == manifests


def test_pods_get_the_certificate_as_a_file_and_by_name() -> None:
    manifests = shopping.manifests()
    changed = trusting(manifests, PUBLISHED)
    maps = [item["metadata"]["namespace"] for item in changed if item["metadata"]["name"] == "outside-ca"]
    assert sorted(maps) == ["dev", "shop"]
    kinds = [item["kind"] for item in changed]
    assert kinds.index("ConfigMap") > max(index for index, kind in enumerate(kinds) if kind == "Namespace")
    for item in (item for item in changed if item["kind"] == "Deployment"):
        pod = item["spec"]["template"]["spec"]
        assert {"name": "outside-ca", "configMap": {"name": "outside-ca"}} in pod["volumes"]
        for container in pod["containers"]:
            names = {one["name"]: one["value"] for one in container["env"] if "value" in one}
            assert names["CURL_CA_BUNDLE"] == names["SSL_CERT_FILE"] == "/etc/outside-ca/ca.crt"
    assert trusting(manifests, None) == manifests, "what was given is not changed"
