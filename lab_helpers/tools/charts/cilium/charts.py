"""The chart as a whole: which objects it writes for which values, and what it says afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.tools.charts.cilium.accounts import (
    agent_accounts,
    operator_accounts,
    part_accounts,
    secrets_namespace,
)
from lab_helpers.tools.charts.cilium.agents import agent
from lab_helpers.tools.charts.cilium.certificates import certificates
from lab_helpers.tools.charts.cilium.checks import at, check
from lab_helpers.tools.charts.cilium.configs import config_data, envoy_runs_apart
from lab_helpers.tools.charts.cilium.defaults import defaults
from lab_helpers.tools.charts.cilium.envoys import envoy
from lab_helpers.tools.charts.cilium.operators import operator
from lab_helpers.tools.charts.cilium.preflights import preflight
from lab_helpers.tools.charts.cilium.relays import hubble_services, relay
from lab_helpers.tools.charts.cilium.shapes import Context
from lab_helpers.tools.charts.cilium.uis import user_interface
from lab_helpers.tools.charts.cilium.versions import Version
from lab_helpers.tools.charts.rendering import Lookup, Manifest, Rendered

__all__ = ["CiliumChart"]

_MONITOR_WARNING = (
    "- WARNING: TLS is not enabled for the Hubble Relay server (hubble.relay.tls.server.enabled=false).\n"
    "  This means Hubble Relay communications may not be encrypted. For more information about the security\n"
    "  implications and suggested controls, please see: "
    "https://docs.cilium.io/en/stable/security/threat-model/#hubble-data-attacker"
)


class CiliumChart:
    """One version of ``cilium/cilium``."""

    name = "cilium"
    description = "eBPF-based Networking, Security, and Observability"

    def __init__(self, version: Version) -> None:
        self._version = version
        self.version = version.text
        self.app_version = version.text

    def metadata(self) -> dict[str, Any]:
        """``Chart.yaml`` as far as helm shows it."""
        return {
            "name": self.name,
            "home": "https://cilium.io/",
            "sources": ["https://github.com/cilium/cilium"],
            "version": self.version,
            "description": self.description,
            "keywords": [
                "BPF",
                "eBPF",
                "Kubernetes",
                "Networking",
                "Security",
                "Observability",
                "Troubleshooting",
            ],
            "icon": "https://cdn.jsdelivr.net/gh/cilium/cilium@main/Documentation/images/logo-solo.svg",
            "apiVersion": "v2",
            "appVersion": self.app_version,
            "kubeVersion": ">= 1.21.0-0",
        }

    def defaults(self) -> dict[str, Any]:
        """The chart's default values; a fresh copy."""
        return defaults(self._version)

    def render(self, values: Mapping[str, Any], *, namespace: str, lookup: Lookup) -> Rendered:
        """All objects for complete values. Raises ChartError."""
        check(values, self.defaults())
        context = Context(values, self._version, values.get("namespaceOverride") or namespace)
        if at(values, "preflight.enabled"):
            found = preflight(context)
            if at(values, "operator.enabled"):
                found += [*operator_accounts(context), operator(context)]
            if values.get("agent") and at(values, "hubble.enabled"):
                found += [*certificates(context, lookup), *hubble_services(context)]
        else:
            found = _installation(context, lookup)
        return Rendered(found, self._notes(values))

    def _notes(self, values: Mapping[str, Any]) -> str:
        lines = []
        if at(values, "preflight.enabled") and not values.get("agent") and not at(values, "operator.enabled"):
            lines = [
                "You have successfully ran the preflight check.",
                "Now make sure to check the number of READY pods is the same as the number of running cilium pods.",
                "Then make sure the cilium preflight deployment is also marked READY 1/1.",
                "If you have an issues please refer to the CNP Validation section in the upgrade guide.",
            ]
        else:
            parts = "."
            if at(values, "hubble.enabled"):
                parts = " with Hubble."
                if at(values, "hubble.relay.enabled"):
                    ui = " and Hubble UI" if at(values, "hubble.ui.enabled") else ""
                    parts = f" with Hubble Relay{ui}."
            lines = [f"You have successfully installed Cilium{parts}"]
        relay_open = at(values, "hubble.relay.enabled") and not at(values, "hubble.relay.tls.server.enabled")
        if relay_open and self._version.series >= (1, 20):
            lines += ["", "WARNINGS:", _MONITOR_WARNING]
        series = ".".join(self.version.split(".")[:2])
        lines += [
            "",
            f"Your release version is {self.version}.",
            "",
            f"For any further help, visit https://docs.cilium.io/en/v{series}/gettinghelp",
        ]
        return "\n".join(lines)


def _installation(context: Context, lookup: Lookup) -> list[Manifest]:
    values = context.values
    config = context.object(
        "v1",
        "ConfigMap",
        "cilium-config",
        labels=values.get("commonLabels"),
        data=config_data(values, context.version),
    )
    found = [
        *secrets_namespace(context),
        *certificates(context, lookup),
        Manifest("cilium/templates/cilium-configmap.yaml", config),
    ]
    if values.get("agent"):
        found += [*agent_accounts(context), agent(context)]
    if at(values, "operator.enabled"):
        found += [*operator_accounts(context), operator(context)]
    found += part_accounts(context)
    if envoy_runs_apart(values):
        found += envoy(context)
    if at(values, "hubble.enabled"):
        found += hubble_services(context)
        if at(values, "hubble.relay.enabled"):
            found += relay(context)
        if at(values, "hubble.ui.enabled"):
            found += user_interface(context)
    return found
