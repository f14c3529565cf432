"""The ways in which Docker, kind and helm are known to fail: what their words mean, and what helps.

Patterns follow the messages of Docker 28, Podman 5, kind 0.33 (its known issues page) and Helm 3.
"""

from __future__ import annotations

import re
import sys
from typing import Final, NamedTuple

__all__ = ["INOTIFY_CURE", "MEMORY_CURE", "START_ENGINE", "explain"]

_START: Final = {
    "linux": "sudo systemctl start docker (or: podman machine start)",
    "darwin": "start Docker Desktop (or: colima start, podman machine start), and wait until it says that it runs",
    "win32": "start Docker Desktop, and wait until it says that it runs",
}
START_ENGINE: Final = _START.get(sys.platform, _START["linux"])
INOTIFY_CURE: Final = (
    "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512 "
    "(and into /etc/sysctl.d/99-kind.conf to keep them)"
)
MEMORY_CURE: Final = (
    "stop other containers, or give the engine more memory (Docker Desktop: Settings, Resources; 6 GB are comfortable)"
)
_OFFLINE: Final = (
    "check the network, or a proxy (HTTPS_PROXY); without internet: CILIUM_LABS_BUNDLE (cilium-labs bundle --help)"
)


class _Failure(NamedTuple):
    pattern: str
    meaning: str
    cure: str


_FAILURES: Final = (
    _Failure(
        r"permission denied while trying to connect to the docker",
        "this user may not use the container engine",
        "sudo usermod -aG docker $USER, then log out and in again; or use rootless Docker or Podman",
    ),
    _Failure(
        r"cannot connect to (the docker daemon|podman)|error during connect|daemon is not running|"
        r"failed to connect to the docker api|dockerDesktopLinuxEngine",
        "the container engine does not answer",
        START_ENGINE,
    ),
    _Failure(
        r"no space left on device", "the disk is full", "docker system df shows what is there, docker system prune"
    ),
    _Failure(
        r"cannot allocate memory|out of memory|oomkilled|exit (status|code):? 137|signal: killed",
        "there was not enough memory",
        MEMORY_CURE,
    ),
    _Failure(r"too many open files|inotify", "the kernel's inotify limits are too low", INOTIFY_CURE),
    _Failure(
        r"port is already allocated|address already in use|ports are not available",
        "a port is taken",
        "choose another: cilium-labs up --backend kind --port 0 takes a free one",
    ),
    _Failure(
        r"toomanyrequests|rate limit",
        "the image registry wants a pause (too many downloads from here)",
        "docker login, or wait, or use a bundle: CILIUM_LABS_BUNDLE",
    ),
    _Failure(
        r"failed to pull image|pull access denied|manifest (for .* )?(unknown|not found)|failed to resolve reference|"
        r"tls handshake timeout|error response from daemon: get \"https://",
        "an image could not be downloaded",
        _OFFLINE,
    ),
    _Failure(
        r"requires cgroup v2|requires setting systemd property|delegate=yes",
        "a rootless engine needs cgroup v2 with delegation",
        "https://kind.sigs.k8s.io/docs/user/rootless/, or use an engine that runs as root",
    ),
    _Failure(
        r"could not find a log line that matches",
        "a node did not start",
        "usually inotify limits or cgroup version: cilium-labs doctor --backend kind",
    ),
    _Failure(
        r"already exist for a cluster with the name",
        "a kind cluster of this name exists",
        "kind delete cluster --name cilium-labs, if it is not needed",
    ),
    _Failure(
        r"failed to init node with kubeadm|timed out waiting for the condition|kubelet is not running",
        "Kubernetes did not start in the node",
        "often too little memory, or a stalled disk: cilium-labs doctor --backend kind, then up again",
    ),
    _Failure(
        r"executing \"?.*kube-?proxy|kubeproxyreplacement must be",
        "the chart refuses a value",
        "environment/kind/cilium-values.yaml says what was given",
    ),
    _Failure(
        r"no such host|looks like .* is not a valid chart repository|failed to (download|fetch)|connection refused|"
        r"i/o timeout|network is unreachable",
        "something could not be reached",
        _OFFLINE,
    ),
    _Failure(
        r"context deadline exceeded|timed out waiting|not ready: ",
        "it did not become ready in time",
        "kubectl -n kube-system get pods says what is missing; the same command goes on",
    ),
)


def explain(output: str) -> tuple[str, str]:
    """(what it means, what helps) for the first known failure in a program's output; empty texts for unknown ones."""
    for failure in _FAILURES:
        if re.search(failure.pattern, output, re.IGNORECASE):
            return failure.meaning, failure.cure
    return "", "cilium-labs doctor --backend kind; then the same command again"
