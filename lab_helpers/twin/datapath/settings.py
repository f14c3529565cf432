"""What an agent reads from the ConfigMap ``cilium-config`` when it starts and its datapath depends on.

Keys and defaults as in Cilium pkg/option and the Helm chart; policy settings are
:class:`lab_helpers.policy.configs.PolicyConfig`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.twin.datapath.options import Aggregation, OptionError, Options

__all__ = ["ConfigError", "Routing", "Settings", "duration"]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001, "ns": 0.000000001}


class ConfigError(ValueError):
    """A value of ``cilium-config`` that the agent refuses; it logs the message and exits."""


class Routing(StrEnum):
    """``routing-mode``."""

    TUNNEL = "tunnel"
    NATIVE = "native"


def duration(text: str) -> float:
    """Seconds of a Go duration (``1m30s``, ``100ms``). Raises ValueError."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)", text)
    if text == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'time: invalid duration "{text}"')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


@dataclass(frozen=True, slots=True)
class Settings:
    """The agent's options. ``raw`` is the ConfigMap's data as it was when the agent started."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    kube_proxy_replacement: bool = False
    socket_lb: bool = False
    socket_lb_host_only: bool = False
    routing: Routing = Routing.TUNNEL
    tunnel_protocol: str = "vxlan"
    bpf_masquerade: bool = False
    ipv4_masquerade: bool = True
    deny_response_icmp: bool = False
    hubble: bool = True
    hubble_capacity: int = 4095
    options: Options = field(default_factory=Options)
    """What may change while the agent runs, as it is when it starts."""
    trace_sockets: bool = True
    aggregation_interval: float = 5.0
    policy_correlation: bool = True
    dns_min_ttl: int = 0
    dns_max_ips: int = 1000
    dns_idle_grace: float = 0.0
    dns_max_deferred: int = 10000
    dns_refuse_code: str = "refused"
    labels: tuple[str, ...] = ()
    pool: str = "10.0.0.0/8"
    pool_mask: int = 24
    ipam: str = "cluster-pool"
    raw: Mapping[str, str] = field(default_factory=dict)

    @property
    def cluster_name(self) -> str:
        """``cluster-name``."""
        return self.policy.cluster_name

    @classmethod
    def from_config_map(cls, data: Mapping[str, str], *, version: Version = Version.V1_20) -> Settings:
        """Read the ConfigMap's ``data``. Raises ConfigError with the key and what it may be."""

        def flag(key: str, default: bool) -> bool:
            text = data.get(key, "").strip().lower()
            if text in ("", "true", "false"):
                return default if not text else text == "true"
            raise ConfigError(f'invalid value "{text}" for option "{key}": it must be "true" or "false"')

        def number(key: str, default: int) -> int:
            text = data.get(key, "").strip()
            try:
                return int(text) if text else default
            except ValueError:
                raise ConfigError(f'invalid value "{text}" for option "{key}": it must be a number') from None

        def seconds(key: str, default: float) -> float:
            text = data.get(key, "").strip()
            try:
                return duration(text) if text else default
            except ValueError as error:
                raise ConfigError(f'invalid value "{text}" for option "{key}": {error}') from None

        def choice(key: str, default: str, allowed: tuple[str, ...]) -> str:
            text = data.get(key, "").strip() or default
            if text not in allowed:
                raise ConfigError(f'invalid value "{text}" for option "{key}": it must be one of {", ".join(allowed)}')
            return text

        try:
            policy = PolicyConfig.from_config_map(data, version=version)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        kpr = flag("kube-proxy-replacement", False)
        capacity = number("hubble-event-buffer-capacity", 4095)
        if not 1 <= capacity <= 65535 or capacity & (capacity + 1):
            raise ConfigError(
                f"invalid value {capacity} for option hubble-event-buffer-capacity: "
                "it must be one less than a power of two, "
                "from 1 to 65535"
            )
        try:
            aggregation = Aggregation.parse(data.get("monitor-aggregation", "").strip() or "medium")
        except OptionError as error:
            raise ConfigError(f'invalid value for option "monitor-aggregation": {error}') from None
        verbose = data.get("debug-verbose", "").replace(",", " ").split()
        options = Options(
            conntrack_accounting=flag("bpf-conntrack-accounting", False),
            debug="datapath" in verbose,
            debug_lb="datapath" in verbose,
            debug_policy="policy" in verbose,
            drops=flag("bpf-events-drop-enabled", True),
            aggregation=aggregation,
            policy_accounting=flag("policy-accounting", True),
            audit=policy.audit_mode,
            tracing=flag("enable-tracing", False),
            verdicts=flag("bpf-events-policy-verdict-enabled", True),
            source_check=flag("enable-source-ip-verification", True),
            traces=flag("bpf-events-trace-enabled", True),
        )
        return cls(
            policy=policy,
            kube_proxy_replacement=kpr,
            socket_lb=kpr or flag("bpf-lb-sock", False),
            socket_lb_host_only=flag("bpf-lb-sock-hostns-only", False),
            routing=Routing(choice("routing-mode", "tunnel", ("tunnel", "native"))),
            tunnel_protocol=choice("tunnel-protocol", "vxlan", ("vxlan", "geneve")),
            bpf_masquerade=flag("enable-bpf-masquerade", False),
            ipv4_masquerade=flag("enable-ipv4-masquerade", True),
            deny_response_icmp=choice("policy-deny-response", "none", ("none", "icmp")) == "icmp",
            hubble=flag("enable-hubble", True),
            hubble_capacity=capacity,
            options=options,
            trace_sockets=flag("trace-sock", True),
            aggregation_interval=seconds("monitor-aggregation-interval", 5.0),
            policy_correlation=flag("hubble-network-policy-correlation-enabled", True),
            dns_min_ttl=number("tofqdns-min-ttl", 0),
            dns_max_ips=number("tofqdns-endpoint-max-ip-per-hostname", 1000),
            dns_idle_grace=seconds("tofqdns-idle-connection-grace-period", 0.0),
            dns_max_deferred=number("tofqdns-max-deferred-connection-deletes", 10000),
            dns_refuse_code=choice("tofqdns-dns-reject-response-code", "refused", ("refused", "nameError")),
            labels=tuple(data.get("labels", "").split()),
            pool=data.get("cluster-pool-ipv4-cidr", "").split(",")[0].split()[0]
            if data.get("cluster-pool-ipv4-cidr", "").strip()
            else "10.0.0.0/8",
            pool_mask=number("cluster-pool-ipv4-mask-size", 24),
            ipam=data.get("ipam", "").strip() or "cluster-pool",
            raw=dict(data),
        )
