"""What the cluster has, as tests require it: read from ``cilium-config`` (cilium-cli utils/features)."""

from collections.abc import Mapping

_SWITCHES = {
    "auth-spiffe": ("mesh-auth-mutual-enabled", "false"),
    "bgp-control-plane": ("enable-bgp-control-plane", "false"),
    "cidr-match-nodes": ("policy-cidr-match-mode", ""),
    "cilium-network-policy": ("enable-cilium-network-policy", "true"),
    "egress-gateway": ("enable-egress-gateway", "false"),
    "encryption-node": ("encrypt-node", "false"),
    "host-firewall": ("enable-host-firewall", "false"),
    "ingress-controller": ("enable-ingress-controller", "false"),
    "kpr-hostport": ("kube-proxy-replacement", "false"),
    "kpr-nodeport": ("kube-proxy-replacement", "false"),
    "l7-loadbalancer": ("loadbalancer-l7", ""),
    "l7-proxy": ("enable-l7-proxy", "true"),
    "local-redirect-policy": ("enable-local-redirect-policy", "false"),
    "multicast-enabled": ("multicast-enabled", "false"),
    "prometheus": ("prometheus-serve-addr", ""),
    "ztunnel": ("enable-ztunnel", "false"),
}
"""Feature → its key in the ConfigMap, and what counts without the key."""

_ENCRYPTION = ("enable-ipsec", "enable-wireguard")


class Features:
    """Asked by name; `given` are those that come from flags."""

    def __init__(self, config: Mapping[str, str], given: Mapping[str, bool]) -> None:
        self._config = config
        self._given = given

    def missing(self, names: tuple[str, ...]) -> str:
        """Why a test with these requirements is skipped, "" when it is not."""
        for name in names:
            if not self.enabled(name):
                return self._reason(name)
        return ""

    def enabled(self, name: str) -> bool:
        """Is the feature on? One that nothing tells of is off."""
        if name in self._given:
            return self._given[name]
        if name == "encryption-pod":
            return any(self._config.get(key) == "true" for key in _ENCRYPTION)
        key, default = _SWITCHES[name]
        value = self._config.get(key, default)
        if name == "cidr-match-nodes":
            return "nodes" in value
        return value not in ("", "false")

    def _reason(self, name: str) -> str:
        if name in self._given:
            return f"Feature {name} is disabled" if not name.startswith("--") else f"skipped by condition: needs {name}"
        return f"Feature {name} is disabled"
