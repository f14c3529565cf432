"""Defaults a learner sees and refusals in the real server's words."""

from __future__ import annotations

import pytest

PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"


def pod(**container):
    body = {"name": "c", "image": "nginx:1", **container}
    return {"metadata": {"name": "p"}, "spec": {"containers": [body]}}


def deployment(**spec):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}}


def service(**spec):
    return {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], **spec}}


def policy(**spec):
    return {"metadata": {"name": "n"}, "spec": {"podSelector": {}, **spec}}


def test_a_pod_gets_its_defaults(ask):
    found = ask("POST", PODS, pod(ports=[{"containerPort": 80}])).body
    spec = found["spec"]
    container = spec["containers"][0]
    assert spec["restartPolicy"] == "Always"
    assert spec["dnsPolicy"] == "ClusterFirst"
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["serviceAccountName"] == "default"
    assert [t["tolerationSeconds"] for t in spec["tolerations"]] == [300, 300]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["volumeMounts"][0]["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert found["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("image", "policy_name"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1", "IfNotPresent"),
        ("host:5000/nginx", "Always"),
        ("host:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_image_pull_policy(ask, image, policy_name):
    assert ask("POST", PODS, pod(image=image)).body["spec"]["containers"][0]["imagePullPolicy"] == policy_name


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
    ],
)
def test_quality_of_service(ask, resources, quality):
    assert ask("POST", PODS, pod(resources=resources)).body["status"]["qosClass"] == quality


def test_a_deployment_gets_its_defaults(ask):
    spec = ask("POST", DEPLOYMENTS, deployment()).body["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert spec["revisionHistoryLimit"] == 10
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_a_service_gets_an_address_and_keeps_it(ask):
    first = ask("POST", SERVICES, service(type="NodePort")).body
    spec = first["spec"]
    assert spec["clusterIP"].startswith("10.96.")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert 30000 <= spec["ports"][0]["nodePort"] <= 32767
    assert spec["ports"][0]["targetPort"] == 80
    again = ask.patch(f"{SERVICES}/s", {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}).body["spec"]
    assert again["clusterIP"] == spec["clusterIP"]
    assert again["ports"][0]["nodePort"] == spec["ports"][0]["nodePort"]
    other = {**service(clusterIP=spec["clusterIP"]), "metadata": {"name": "t"}}
    assert "provided IP is already allocated" in ask("POST", SERVICES, other).body["message"]


def test_headless_and_external_services(ask):
    headless = ask("POST", SERVICES, service(clusterIP="None")).body["spec"]
    assert headless["clusterIPs"] == ["None"]
    body = {"metadata": {"name": "e"}, "spec": {"type": "ExternalName", "externalName": "example.com"}}
    assert "clusterIP" not in ask("POST", SERVICES, body).body["spec"]


def test_a_network_policy_gets_its_types(ask):
    assert ask("POST", POLICIES, policy()).body["spec"]["policyTypes"] == ["Ingress"]
    both = {**policy(egress=[{}]), "metadata": {"name": "m"}}
    assert ask("POST", POLICIES, both).body["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_secrets_encode_plain_text(ask):
    body = {"metadata": {"name": "s"}, "stringData": {"a": "b"}}
    found = ask("POST", "/api/v1/namespaces/default/secrets", body).body
    assert found["data"] == {"a": "Yg=="}
    assert found["type"] == "Opaque"


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (PODS, {"metadata": {"name": "p"}, "spec": {}}, "spec.containers: Required value"),
        (PODS, pod(name="C_1"), 'spec.containers[0].name: Invalid value: "C_1": a lowercase RFC 1123 label must'),
        (PODS, pod(image=""), "spec.containers[0].image: Required value"),
        (PODS, pod(ports=[{"containerPort": 70000}]), "must be between 1 and 65535, inclusive"),
        (PODS, pod(ports=[{"containerPort": 1, "protocol": "X"}]), 'supported values: "SCTP", "TCP", "UDP"'),
        (PODS, pod(volumeMounts=[{"name": "v", "mountPath": "/x"}]), 'volumeMounts[0].name: Not found: "v"'),
        (PODS, pod(env=[{"name": "A=B"}]), "printable ASCII characters other than '='"),
        (
            PODS,
            pod(readinessProbe={}),
            "spec.containers[0].readinessProbe: Required value: must specify a handler type",
        ),
        (
            PODS,
            pod(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
            "must be less than or equal to cpu limit of 1",
        ),
        (PODS, {**pod(), "metadata": {"name": "p", "labels": {"a b": "c"}}}, "name part must consist of alphanumeric"),
        (
            PODS,
            {**pod(), "metadata": {"name": "p", "labels": {"a": "c d"}}},
            "a valid label must be an empty string or",
        ),
        (DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": {}}, "spec.selector: Required value"),
        (DEPLOYMENTS, deployment(replicas=-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            DEPLOYMENTS,
            deployment(selector={"matchLabels": {"x": "y"}}),
            'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
        ),
        (
            DEPLOYMENTS,
            deployment(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
            "may not be 0 when `maxSurge` is 0",
        ),
        (
            DEPLOYMENTS,
            deployment(strategy={"rollingUpdate": {"maxSurge": "150%", "maxUnavailable": "101%"}}),
            'maxUnavailable: Invalid value: "101%": must not be greater than 100%',
        ),
        (
            "/apis/batch/v1/namespaces/default/jobs",
            {"metadata": {"name": "j"}, "spec": {"template": pod()}},
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
        ),
        (SERVICES, {"metadata": {"name": "1s"}, "spec": {"ports": [{"port": 1}]}}, "a DNS-1035 label must consist of"),
        (SERVICES, {"metadata": {"name": "s"}, "spec": {}}, "spec.ports: Required value"),
        (SERVICES, service(type="X"), 'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'),
        (SERVICES, service(ports=[{"port": 80}, {"port": 81}]), "spec.ports[0].name: Required value"),
        (SERVICES, service(clusterIP="1.2.3.4"), "The range of valid IPs is 10.96.0.0/16"),
        (POLICIES, policy(policyTypes=["In"]), 'spec.policyTypes[0]: Unsupported value: "In"'),
        (POLICIES, policy(ingress=[{"from": [{}]}]), "spec.ingress[0].from[0]: Required value: must specify a peer"),
        (POLICIES, policy(ingress=[{"ports": [{"port": 0}]}]), "spec.ingress[0].ports[0].port: Invalid value: 0"),
        (POLICIES, policy(ingress=[{"ports": [{"port": 9, "endPort": 8}]}]), "must be greater than or equal to `port`"),
        (POLICIES, policy(egress=[{"to": [{"ipBlock": {"cidr": "1.2.3.4"}}]}]), "must be a valid CIDR value"),
        (
            POLICIES,
            policy(egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}}]}]),
            "must be a strict subset of `cidr`",
        ),
        ("/api/v1/namespaces", {"metadata": {"name": "a.b"}}, "a lowercase RFC 1123 label must consist of"),
        (
            "/api/v1/namespaces/default/configmaps",
            {"metadata": {"name": "c"}, "data": {"a b": "c"}},
            "a valid config key must consist of alphanumeric characters",
        ),
    ],
)
def test_refused(ask, path, body, message):
    answer = ask("POST", path, body)
    assert answer.status == 422
    assert answer.body["reason"] == "Invalid"
    assert message in answer.body["message"]


def test_what_may_not_change(ask):
    ask("POST", DEPLOYMENTS, deployment())
    template = {"metadata": {"labels": {"a": "b", "c": "d"}}}
    changed = {"spec": {"selector": {"matchLabels": {"c": "d"}}, "template": template}}
    assert "field is immutable" in ask.patch(f"{DEPLOYMENTS}/d", changed).body["message"]
    ask("POST", PODS, pod())
    moved = [{"name": "c", "image": "nginx:2"}]
    assert ask.patch(f"{PODS}/p", {"spec": {"containers": moved}}, "strategic-merge-patch+json").status == 200
    refused = ask.patch(f"{PODS}/p", {"spec": {"hostNetwork": True}}).body["message"]
    assert "pod updates may not change fields other than `spec.containers[*].image`" in refused


def test_namespaces_begin_and_end(ask):
    missing = ask("POST", "/api/v1/namespaces/nowhere/pods", pod())
    assert (missing.status, missing.body["message"]) == (404, 'namespaces "nowhere" not found')
    ask("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    assert ask("GET", "/api/v1/namespaces/n").body["status"]["phase"] == "Active"
    assert ask("DELETE", "/api/v1/namespaces/n").body["status"]["phase"] == "Terminating"
    late = ask("POST", "/api/v1/namespaces/n/pods", pod())
    assert late.status == 403
    assert "because it is being terminated" in late.body["message"]
    found = ask("GET", "/api/v1/namespaces/n").body
    assert ask("PUT", "/api/v1/namespaces/n/finalize", {**found, "spec": {"finalizers": []}}).status == 200
    assert ask("GET", "/api/v1/namespaces/n").status == 404
    assert ask("DELETE", "/api/v1/namespaces/kube-system").status == 403


def test_accounts_and_priorities_must_exist(ask):
    body = pod()
    body["spec"]["serviceAccountName"] = "nobody"
    answer = ask("POST", PODS, body)
    assert answer.body["message"] == (
        'pods "p" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found'
    )
    body = pod()
    body["spec"]["priorityClassName"] = "none"
    assert "no PriorityClass with name none was found" in ask("POST", PODS, body).body["message"]
    body["spec"]["priorityClassName"] = "system-node-critical"
    assert ask("POST", PODS, body).body["spec"]["priority"] == 2000001000
