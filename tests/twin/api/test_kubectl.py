"""The real kubectl against the server; each row is a command line and what it must print."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: nginx, image: "nginx:1", ports: [{containerPort: 80}], env: [{name: A, value: "1"}]}
"""
POLICY = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: allow}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: client}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
"""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("version", r"Server Version: v1\.34\.2"),
        ("get namespaces", r"default +Active +[\dms]+"),
        ("get --raw /healthz", "ok"),
        ("get --raw /readyz?verbose", "readyz check passed"),
        ("api-resources --api-group=cilium.io", r"ciliumnetworkpolicies +cnp,ciliumnp +cilium.io/v2 +true"),
        ("api-resources --namespaced=false", r"nodes +no +v1 +false +Node"),
        ("api-versions", "apps/v1"),
        ("auth can-i create pods", "yes"),
        ("auth whoami", "kubernetes-admin"),
        ("cluster-info", "Kubernetes control plane.* is running at"),
        ("explain pod.spec.containers.image", r"FIELD: image <string>"),
        ("explain deploy.spec.replicas", r"FIELD: replicas <integer>"),
        ("explain cnp.spec.ingress.toPorts", r"FIELD: toPorts <\[\]Object>"),
        ("explain svc.spec --recursive", r"clusterIP\s+<string>"),
        ("get all", ""),
        ("get events -A", ""),
        ("get crd ciliumendpoints.cilium.io", r"NAME +CREATED AT"),
        ("create configmap --dry-run=server one --from-literal=a=b", r"configmap/one created \(server dry run\)"),
        ("create secret generic s --from-literal=a=b", "secret/s created"),
        ("create role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r created"),
        ("create job j --image=x -- true", "job.batch/j created"),
        ("create token default", r"^eyJ"),
        ("create quota q", ""),
    ],
)
def test_prints(kubectl, command, expected):
    done = kubectl(*command.split())
    if command == "create quota q":
        assert done.code == 1  # a kind that is not served
        return
    assert done.code == 0, done.err
    assert re.search(expected, done.out, re.MULTILINE), done.out


def test_what_is_made_is_found_and_changed(kubectl):
    steps = [
        ("create service nodeport np --tcp=80:8080", "service/np created"),
        ("get svc np -o wide", r"np +NodePort +10\.96\.\d+\.\d+ +<none> +80:3\d{4}/TCP +[\dms]+ +app=np"),
        ("create ns other", "namespace/other created"),
        ("label ns other team=a", "namespace/other labeled"),
        ("get ns -l team=a -o name", "^namespace/other$"),
        ("get ns --field-selector metadata.name=other -o name", "^namespace/other$"),
        ("annotate ns other note=b", "namespace/other annotated"),
        ("get ns other -o jsonpath={.metadata.annotations.note}", "^b$"),
    ]
    for command, expected in steps:
        done = kubectl(*command.split())
        assert done.code == 0, done.err
        assert re.search(expected, done.out, re.MULTILINE), done.out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("get pod none", 'Error from server (NotFound): pods "none" not found'),
        ("get foos", 'error: the server doesn\'t have a resource type "foos"'),
        ("get pods --field-selector=a=b", "field label not supported: a"),
        ("top pods", "error: Metrics API not available"),
        ("delete ns default", 'namespaces "default" is forbidden: this namespace may not be deleted'),
        ("create ns Bad_Name", 'metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 label must consist of'),
        ("create sa x -n nowhere", 'namespaces "nowhere" not found'),
        ("scale deploy none --replicas=2", 'deployments.apps "none" not found'),
        ("create service nodeport x --tcp=80 --node-port=80", "The range of valid ports is 30000-32767"),
    ],
)
def test_refuses(kubectl, command, message):
    done = kubectl(*command.split())
    assert done.code != 0
    assert message in done.err + done.out


def test_apply_twice_then_change_then_server_side(kubectl):
    assert kubectl("apply", "-f", "-", stdin=DEPLOYMENT).out == "deployment.apps/web created\n"
    assert kubectl("apply", "-f", "-", stdin=DEPLOYMENT).out == "deployment.apps/web unchanged\n"
    changed = DEPLOYMENT.replace("nginx:1", "nginx:2")
    difference = kubectl("diff", "-f", "-", stdin=changed)
    assert difference.code == 1
    assert "-      - env:" not in difference.out
    assert "+        image: nginx:2" in difference.out
    assert kubectl("apply", "-f", "-", stdin=changed).out == "deployment.apps/web configured\n"
    assert kubectl("apply", "--server-side", "-f", "-", stdin=changed).out == "deployment.apps/web serverside-applied\n"
    other = changed.replace("replicas: 2", "replicas: 7")
    refused = kubectl("apply", "--server-side", "--field-manager=bob", "-f", "-", stdin=other)
    assert refused.code == 1
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .spec.replicas' in refused.err
    forced = kubectl("apply", "--server-side", "--field-manager=bob", "--force-conflicts", "-f", "-", stdin=other)
    assert forced.code == 0, forced.err
    assert kubectl("scale", "deploy", "web", "--replicas=3").out == "deployment.apps/web scaled\n"
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}").out == "3"
    assert kubectl("set", "image", "deploy/web", "nginx=nginx:9").code == 0
    assert kubectl("rollout", "restart", "deploy/web").code == 0
    row = kubectl("get", "deploy", "web", "-o", "wide").out.splitlines()[1].split()
    assert row[:4] == ["web", "0/3", "0", "0"]
    assert row[5:] == ["nginx", "nginx:9", "app=web"]
    assert kubectl("delete", "deploy", "web").out == 'deployment.apps "web" deleted\n'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("replicas:", "repilcas:", 'strict decoding error: unknown field "spec.repilcas"'),
        (
            "replicas: 2",
            "replicas: two",
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        ("containerPort: 80", "containerPort: 0", "spec.template.spec.containers[0].ports[0].containerPort: Required"),
        ("{matchLabels: {app: web}}", "{matchLabels: {app: x}}", "`selector` does not match template `labels`"),
        ("kind: Deployment", "kind: Deploymint", 'no matches for kind "Deploymint" in version "apps/v1"'),
        ("name: web", "namespace: nowhere, name: web", 'namespaces "nowhere" not found'),
    ],
)
def test_bad_manifests_say_what_is_wrong(kubectl, old, new, message):
    done = kubectl("create", "-f", "-", stdin=DEPLOYMENT.replace(old, new))
    assert done.code == 1
    assert message in done.err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ingress:", "ingres:", 'strict decoding error: unknown field "spec.ingres"'),
        ('"80"', "80", 'spec.ingress[0].toPorts[0].ports[0].port in body must be of type string: "integer"'),
        ("TCP", "ICMP", 'protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'),
        ("  endpointSelector: {matchLabels: {app: web}}", "", '"spec" must validate one and only one schema (oneOf). '),
        ("spec:", "spex:", 'unknown field "spex"'),
        ("name: allow", "name: Allow", 'metadata.name: Invalid value: "Allow"'),
    ],
)
def test_bad_policies_say_what_is_wrong(kubectl, old, new, message):
    done = kubectl("create", "-f", "-", stdin=POLICY.replace(old, new))
    assert done.code == 1
    assert message in done.err


def test_policies_have_ciliums_columns(kubectl):
    assert kubectl("apply", "-f", "-", stdin=POLICY).code == 0
    lines = kubectl("get", "cnp").out.splitlines()
    assert lines[0].split() == ["NAME", "AGE", "VALID"]
    assert kubectl("get", "ciliumendpoints").code == 0
    warned = kubectl("get", "ciliumcidrgroups.v2alpha1.cilium.io")
    assert "Warning: cilium.io/v2alpha1 CiliumCIDRGroup is deprecated" in warned.err
    assert kubectl("delete", "cnp", "allow").code == 0


def test_unknown_fields_warn_when_asked(kubectl):
    changed = DEPLOYMENT.replace("name: web,", "name: warned,").replace("replicas:", "repilcas:")
    done = kubectl("apply", "--validate=warn", "-f", "-", stdin=changed)
    assert done.code == 0, done.err
    assert 'Warning: unknown field "spec.repilcas"' in done.err


def test_pods_logs_and_commands(kubectl, live):
    live.run_pod("shell")
    row = kubectl("get", "pod", "shell", "-o", "wide").out.splitlines()[1].split()
    assert row[:4] == ["shell", "1/1", "Running", "0"]
    assert row[5:] == ["10.0.1.5", "node-1", "<none>", "<none>"]
    assert kubectl("logs", "shell").out == "first\nsecond\nthird\n"
    assert kubectl("logs", "shell", "--tail=1").out == "third\n"
    assert kubectl("logs", "shell", "-f").out.endswith("followed\n")
    assert "previous terminated container" in kubectl("logs", "shell", "-p").err
    assert kubectl("exec", "shell", "--", "echo", "hi", "there").out == "hi there\n"
    assert kubectl("exec", "-i", "shell", "--", "cat", stdin="to and fro").out == "to and fro"
    assert kubectl("exec", "shell", "--", "complain").err == "no\n"
    failed = kubectl("exec", "shell", "--", "sh", "-c", "exit 3")
    assert failed.code == 3
    assert failed.err == "command terminated with exit code 3\n"
    missing = kubectl("exec", "shell", "--", "nope")
    assert missing.code == 1
    assert 'exec: "nope": executable file not found in $PATH' in missing.err
    assert kubectl("wait", "--for=condition=Ready", "pod/shell", "--timeout=120s").code == 0
    assert kubectl("get", "--raw", "/api/v1/namespaces/default/pods/shell:80/proxy/a?b=c").out == (
        "you asked for GET /a?b=c HTTP/1.1\n"
    )
    assert "Service Account:  default" in kubectl("describe", "pod", "shell").out
    assert kubectl("delete", "pod", "shell", "--grace-period=0", "--force").code == 0


@pytest.mark.usefixtures("kubectl")
@pytest.mark.parametrize("websockets", ["true", "false"])
def test_port_forward_in_websockets_and_without(live, websockets):
    live.run_pod(f"server-{websockets}")
    program = shutil.which("kubectl") or ""
    environment = {**os.environ, "KUBECONFIG": str(live.kubeconfig), "HOME": str(live.home)}
    environment["KUBECTL_PORT_FORWARD_WEBSOCKETS"] = websockets
    with subprocess.Popen(
        [program, "port-forward", f"pod/server-{websockets}", ":80"], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(re.search(r"127\.0\.0\.1:(\d+)", line)[1])  # type: ignore[index]
        for path in ("/one", "/two"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("GET", path)
            assert connection.getresponse().read() == f"you asked for GET {path} HTTP/1.1\n".encode()
            connection.close()
        process.terminate()
        process.stdout.read()


def test_exec_without_websockets(kubectl, live, monkeypatch):
    monkeypatch.setenv("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
    live.run_pod("old")
    assert kubectl("exec", "-i", "old", "--", "cat", stdin="by SPDY").out == "by SPDY"
    assert kubectl("exec", "old", "--", "sh", "-c", "exit 5").code == 5


def test_a_wrong_token_is_unauthorized(kubectl, live, tmp_path: Path):
    text = live.kubeconfig.read_text(encoding="utf-8").replace("t0ken", "wrong")
    stale = tmp_path / "kubeconfig"
    stale.write_text(text, encoding="utf-8")
    done = kubectl("--kubeconfig", str(stale), "get", "pods")
    assert done.code == 1
    assert "Unauthorized" in done.err or "logged in to the server" in done.err
