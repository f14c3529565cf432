"""The settings of an agent that change what policies mean.

Names follow the keys of the ``cilium-config`` ConfigMap; the defaults are those of the Helm chart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["AllowLocalhost", "EnforcementMode", "PolicyConfig", "Version"]


class Version(StrEnum):
    """The minor releases of Cilium whose behaviour is known here. See :mod:`lab_helpers.policy.versions` for what
    differs.
    """

    V1_19 = "1.19"
    V1_20 = "1.20"

    @classmethod
    def of(cls, text: str) -> Version:
        """The release whose behaviour ``1.19.8`` or ``v1.20.2`` has: older ones count as the oldest known here, newer
        ones, and what is no version, as the newest.
        """
        numbers = [int(part) for part in text.removeprefix("v").split(".")[:2] if part.isdigit()]
        known = [(version, [int(part) for part in version.value.split(".")]) for version in cls]
        if len(numbers) < 2:
            return known[-1][0]
        return next((version for version, minor in reversed(known) if numbers >= minor), known[0][0])


class EnforcementMode(StrEnum):
    """``enable-policy``."""

    DEFAULT = "default"
    ALWAYS = "always"
    NEVER = "never"


class AllowLocalhost(StrEnum):
    """``allow-localhost``: may the own node reach its pods without a rule? In Kubernetes ``auto`` means ``always``."""

    AUTO = "auto"
    ALWAYS = "always"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """What an agent was configured with. Immutable; use ``dataclasses.replace`` for variants."""

    version: Version = Version.V1_20
    policy_mode: EnforcementMode = EnforcementMode.DEFAULT
    allow_localhost: AllowLocalhost = AllowLocalhost.AUTO
    audit_mode: bool = False
    host_firewall: bool = False
    node_selector_labels: bool = False
    cidr_match_mode: frozenset[str] = frozenset()
    """Of ``nodes`` and ``pods``: whom CIDR rules may match besides addresses outside."""
    ipv4: bool = True
    ipv6: bool = False
    cluster_name: str = "default"
    cluster_id: int = 0
    default_local_cluster: bool = True
    non_default_deny: bool = True
    l7_proxy: bool = True
    icmp_rules: bool = True
    extended_ip_protocols: bool = False
    cluster_network_policy: bool = False
    """Kubernetes ClusterNetworkPolicy (``k8sClusterNetworkPolicy.enabled``, 1.20, off by default)."""
    merge_named_ports: bool = False
    """Imitate a fault of 1.20: rules for one port name share the port range of the first. See
    ``versions.OPEN_FAULTS``.
    """

    @property
    def dual_stack(self) -> bool:
        """Both address families are on, so the world is split in two identities."""
        return self.ipv4 and self.ipv6

    @property
    def host_allowed(self) -> bool:
        """Is the own node exempt from ingress default deny?"""
        return self.allow_localhost is not AllowLocalhost.POLICY

    @classmethod
    def from_config_map(cls, data: Mapping[str, str], *, version: Version = Version.V1_20) -> PolicyConfig:
        """Read the ``data`` of the ``cilium-config`` ConfigMap. Unknown keys are ignored, absent ones mean the default.

        Raises ValueError on a value the agent would refuse, naming the key.
        """

        def flag(key: str, default: bool) -> bool:
            text = data.get(key, "").strip().lower()
            if text in ("true", "1", "t"):
                return True
            if text in ("false", "0", "f"):
                return False
            if not text:
                return default
            raise ValueError(f"cilium-config: {key} is {text!r}, but must be true or false")

        def number(key: str, default: int) -> int:
            text = data.get(key, "").strip()
            if not text:
                return default
            if not text.isdigit():
                raise ValueError(f"cilium-config: {key} is {text!r}, but must be a number")
            return int(text)

        mode = data.get("enable-policy", "default").strip().lower() or "default"
        if mode not in set(EnforcementMode):
            raise ValueError(f"cilium-config: enable-policy is {mode!r}, but must be default, always or never")
        localhost = data.get("allow-localhost", "auto").strip().lower() or "auto"
        if localhost not in set(AllowLocalhost):
            raise ValueError(f"cilium-config: allow-localhost is {localhost!r}, but must be auto, always or policy")
        matches = frozenset(data.get("policy-cidr-match-mode", "").replace(",", " ").split())
        return cls(
            version=version,
            policy_mode=EnforcementMode(mode),
            allow_localhost=AllowLocalhost(localhost),
            audit_mode=flag("policy-audit-mode", False),
            host_firewall=flag("enable-host-firewall", False),
            node_selector_labels=flag("enable-node-selector-labels", False),
            cidr_match_mode=matches,
            ipv4=flag("enable-ipv4", True),
            ipv6=flag("enable-ipv6", False),
            cluster_name=data.get("cluster-name", "") or "default",
            cluster_id=number("cluster-id", 0),
            default_local_cluster=flag("policy-default-local-cluster", True),
            non_default_deny=flag("enable-non-default-deny-policies", True),
            l7_proxy=flag("enable-l7-proxy", True),
            icmp_rules=flag("enable-icmp-rules", True),
            extended_ip_protocols=flag("enable-extended-ip-protocols", False),
            cluster_network_policy=flag("enable-k8s-cluster-network-policy", False),
        )
