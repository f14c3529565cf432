"""A twin of its own for these tests, and the two kubectls to compare on it."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

STACK = """\
apiVersion: v1
kind: Namespace
metadata: {name: golden}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: golden, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1.29
        ports: [{containerPort: 80, name: http}]
        env: [{name: MODE, value: test}, {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        resources: {limits: {memory: 64Mi}, requests: {cpu: 50m}}
        readinessProbe: {httpGet: {path: /, port: 80}}
        volumeMounts: [{name: settings, mountPath: /settings}]
      - {name: side, image: "busybox:1.37", command: [sleep, infinity]}
      volumes: [{name: settings, configMap: {name: settings}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: golden}
spec: {clusterIP: 10.96.77.7, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: golden, annotations: {note: hello}}
data: {mode: test, "lines": "one\\ntwo\\n", number: "12"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: golden}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
    ports: [{protocol: TCP, port: 80}]
  egress: []
"""

_SUBSTITUTES = (
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UID"),
    (r"\b(coredns|web)-[a-z0-9]{8,10}-[a-z0-9]{5}\b", r"\1-HASH-NAME"),
    (r"\b(coredns|web)-[a-z0-9]{8,10}\b", r"\1-HASH"),
    (r"pod-template-hash=[a-z0-9]+", "pod-template-hash=HASH"),
    (r"kube-api-access-[a-z0-9]{5}", "kube-api-access-NAME"),
    (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\b", "TIME"),
    (r"\b\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d [+-]\d{4}\b", "TIME"),
    (r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \w+\b", "TIME"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r'resourceVersion"?: "\d+"', "resourceVersion: VERSION"),
    (r"(?<![\w.-])\d+[smhd](\d+[smh])?(?![\w.-])", "AGE"),
    (r"[ ]{2,}", "  "),
    (r"[ ]+$", ""),
)
_NOISE = re.compile(r"^[EIW]\d{4} .*(memcache\.go|round_trippers).*\n", re.MULTILINE)


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


def normalized(text: str) -> str:
    """Without what differs from run to run: names, times, ages, and the width of columns that follows from them."""
    for pattern, substitute in _SUBSTITUTES:
        text = re.sub(pattern, substitute, text, flags=re.MULTILINE)
    return text


def upstream(done: Done) -> Done:
    """A real kubectl's result without its log lines; some builds write other words before errors."""
    err = _NOISE.sub("", done.err)
    err = re.sub(r"^Error: (unknown|flag needs)", r"error: \1", err)
    err = re.sub(
        r'^E\d{4} .*"command failed" err="(.*)"$', lambda match: "error: " + match.group(1).replace('\\"', '"'), err
    )
    return done._replace(err=err)


@pytest.fixture(scope="session")
def twin(start_twin: Callable[[], Path]) -> Path:
    """The kubeconfig of a running twin that holds the STACK."""
    config = start_twin()
    stack = config.parent / "stack.yaml"
    stack.write_text(STACK, encoding="utf-8")
    done = _run([sys.executable, "-m", "lab_helpers.tools.kubectl"], config, "apply", "-f", str(stack))
    assert done.code == 0, done.err
    return config


def _run(program: list[str], config: Path, *words: str, text: str | None = None) -> Done:
    environ = {**os.environ, "KUBECONFIG": str(config), "TZ": "UTC", "KUBECACHEDIR": str(config.parent / "cache")}
    environ.pop("KUBECTL_KUBERC", None)
    done = subprocess.run(
        [*program, *words], capture_output=True, text=True, env=environ, input=text, check=False, timeout=240
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def bundled(twin: Path) -> Iterator[Run]:
    """Runs our kubectl, in this process: starting one for each of so many commands would take most of the time."""
    from lab_helpers.tools.kubectl.launching import run

    def call(*words: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        code = run(list(words), out, err)
        return Done(code, out.getvalue(), err.getvalue())

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("KUBECONFIG", str(twin)), ("TZ", "UTC"), ("KUBECACHEDIR", str(twin.parent / "cache"))):
            patch.setenv(name, value)
        if hasattr(time, "tzset"):
            time.tzset()
        yield call


@pytest.fixture(scope="session")
def program(twin: Path) -> Run:
    """Runs our kubectl as a process."""
    return lambda *words, **more: _run([sys.executable, "-m", "lab_helpers.tools.kubectl"], twin, *words, **more)


@pytest.fixture(scope="session")
def real(twin: Path) -> Run:
    """Runs the real kubectl on the same twin."""
    found = shutil.which("kubectl", path=os.environ.get("CILIUM_LABS_REAL_PATH", os.environ.get("PATH", "")))
    if not found or b"lab_helpers" in Path(found).read_bytes()[:2000]:
        pytest.skip("no real kubectl on PATH to compare with")
    return lambda *words, **more: upstream(_run([found], twin, *words, **more))
