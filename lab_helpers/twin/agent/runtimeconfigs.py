"""What an agent writes of its configuration into its state directory, for tools that look there.

The real file holds all of ``option.DaemonConfig`` (Cilium pkg/option/config.go) under Go's names; here it holds what
cilium-cli's connectivity test reads to find out which features are on (connectivity/check/features.go).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from lab_helpers.twin.containers.processes import SimulatedProcess
from lab_helpers.twin.interfaces import Process

__all__ = ["PATH", "keep", "runtime_config"]

PATH: Final = "/var/run/cilium/state/agent-runtime-config.json"
_SWITCHES: Final = {
    "EnableICMPRules": ("enable-icmp-rules", True),
    "EnableHealthChecking": ("enable-health-checking", True),
    "EnableEndpointHealthChecking": ("enable-endpoint-health-checking", True),
    "EncryptNode": ("encrypt-node", False),
    "EnableK8sNetworkPolicy": ("enable-k8s-networkpolicy", True),
    "EnableK8sClusterNetworkPolicy": ("enable-k8s-cluster-network-policy", False),
}
"""Names in the file, with the key of ``cilium-config`` and what holds without it."""


def runtime_config(data: Mapping[str, str]) -> dict[str, Any]:
    """The file's content for the data of ``cilium-config``."""
    aggregation = data.get("monitor-aggregation", "").strip() or "medium"
    switches = {
        name: data.get(key, str(default)).strip().lower() in ("true", "1", "t")
        for name, (key, default) in _SWITCHES.items()
    }
    return {"MonitorAggregation": aggregation, **switches}


def keep(process: Process, data: Mapping[str, str]) -> None:
    """Write the file into the agent's container."""
    if isinstance(process, SimulatedProcess):
        process.files.make_directory(PATH.rpartition("/")[0], parents=True)
        process.files.write(PATH, json.dumps(runtime_config(data), indent=1).encode())
