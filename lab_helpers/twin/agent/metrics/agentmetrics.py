"""The agent's own metrics, read from its state at the moment of a scrape (pkg/metrics/metrics.go and documentation).

What Cilium's agent has and this one has not — Go's runtime, BPF system calls, clustermesh, timing of API calls — is
left out rather than invented.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from lab_helpers.hubble.events import DROP_TEXTS
from lab_helpers.policy.identities import LOCAL_SCOPE, MINIMUM_CLUSTER_IDENTITY, REMOTE_NODE_SCOPE
from lab_helpers.twin.agent.metrics.series import Metric, Series

if TYPE_CHECKING:
    from lab_helpers.twin.agent.agents import Agents
    from lab_helpers.twin.agent.nodeagents import NodeAgent

__all__ = ["agent_metrics"]

_PROXIES: Final = {"http": "envoy", "kafka": "envoy", "dns": "fqdn"}
_OUTCOMES: Final = ("received", "forwarded", "denied", "parse_errors")


def agent_metrics(agents: Agents, agent: NodeAgent) -> Iterator[Metric]:
    """Every metric, whether it has samples or not."""
    yield from _endpoints(agent)
    yield from _policies(agent)
    yield from _traffic(agent)
    yield from _identities(agent)
    yield from _names(agent)
    yield from _addresses(agent)
    yield from _nodes(agents, agent)


def _gauge(name: str, text: str, value: float) -> Series:
    series = Series(f"cilium_{name}", text, "gauge")
    series.set(value)
    return series


def _counter(name: str, text: str, value: float) -> Series:
    series = Series(f"cilium_{name}", text, "counter")
    series.set(value)
    return series


def _by_label(name: str, text: str, label: str, counts: Iterable[tuple[str, float]], *, total: bool = False) -> Series:
    series = Series(f"cilium_{name}", text, "counter" if total else "gauge", (label,))
    for value, number in counts:
        series.set(number, value)
    return series


def _endpoints(agent: NodeAgent) -> Iterator[Series]:
    states = Counter(endpoint.state.value for endpoint in agent.endpoints.values())
    yield _gauge("endpoint", "Number of endpoints managed by this agent", len(agent.endpoints))
    yield _by_label(
        "endpoint_state",
        "Count of all endpoints, tagged by different endpoint states",
        "endpoint_state",
        states.items(),
    )
    yield _by_label(
        "endpoint_regenerations_total",
        "Count of all endpoint regenerations that have completed, tagged by outcome",
        "outcome",
        [("success", agent.regenerations)],
        total=True,
    )


def _policies(agent: NodeAgent) -> Iterator[Metric]:
    from lab_helpers.twin.agent.dbg.endpointmodels import policy_enabled, redirects

    repository = agent.repository
    yield _gauge("policy", "Number of policies currently loaded", sum(1 for _ in repository.policies()))
    yield _gauge("policy_max_revision", "Highest policy revision number in the agent", repository.revision)
    yield _counter("policy_regeneration_total", "Total number of successful policy regenerations", agent.regenerations)
    yield _by_label(
        "policy_change_total",
        "Number of policy changes by outcome",
        "outcome",
        agent.importer.changes.items(),
        total=True,
    )
    modes = Counter(policy_enabled(agent, endpoint) for endpoint in agent.endpoints.values())
    yield _by_label(
        "policy_endpoint_enforcement_status",
        "Number of endpoints labeled by policy enforcement status",
        "enforcement",
        ((mode, modes[mode]) for mode in ("none", "ingress", "egress", "both", *sorted(modes))),
    )
    yield _by_label(
        "proxy_redirects",
        "Number of redirects installed for endpoints, labeled by protocol",
        "protocol",
        Counter(redirects(agent).values()).items(),
    )
    yield agent.upstream_times
    requests = Series(
        "cilium_policy_l7_total", "Number of total proxy requests handled", "counter", ("rule", "proxy_type")
    )
    for key, numbers in agent.tables.proxied.items():
        for outcome, number in zip(_OUTCOMES, numbers, strict=True):
            requests.add((outcome, _PROXIES[key.parser]), number)
    yield requests


def _traffic(agent: NodeAgent) -> Iterator[Series]:
    tables = agent.tables
    drops = Series(
        "cilium_drop_count_total",
        "Total dropped packets, tagged by drop reason and ingress/egress direction",
        "counter",
        ("reason", "direction"),
    )
    lost = Series(
        "cilium_drop_bytes_total",
        "Total dropped bytes, tagged by drop reason and ingress/egress direction",
        "counter",
        ("reason", "direction"),
    )
    for (reason, direction), (packets, total) in tables.drops.items():
        text = DROP_TEXTS.get(reason, str(reason))
        drops.set(packets, text, direction)
        lost.set(total, text, direction)
    yield from (drops, lost)
    directions = sorted({direction for direction, _ in tables.forwards})
    yield _by_label(
        "forward_count_total",
        "Total forwarded packets, tagged by ingress/egress direction",
        "direction",
        ((direction, tables.forwarded(direction)[0]) for direction in directions),
        total=True,
    )
    yield _by_label(
        "forward_bytes_total",
        "Total forwarded bytes, tagged by ingress/egress direction",
        "direction",
        ((direction, tables.forwarded(direction)[1]) for direction in directions),
        total=True,
    )
    yield _by_label(
        "datapath_conntrack_gc_entries",
        "The number of alive and deleted conntrack entries",
        "status",
        [("alive", len(tables.conntrack))],
    )


def _kind(numeric: int) -> str:
    if numeric >= REMOTE_NODE_SCOPE:
        return "remote_node"
    if numeric >= LOCAL_SCOPE:
        return "node_local"
    return "cluster_local" if numeric >= MINIMUM_CLUSTER_IDENTITY else "reserved"


def _identities(agent: NodeAgent) -> Iterator[Series]:
    known = list(agent.repository.population)
    yield _by_label(
        "identity",
        "Number of identities currently allocated",
        "type",
        Counter(_kind(identity.numeric) for identity in known).items(),
    )
    sources = Counter(source for identity in known for source in {label.source for label in identity.labels})
    yield _by_label(
        "identity_label_sources",
        "Number of identities which contain at least one label of the given label source",
        "source",
        sources.items(),
    )


def _names(agent: NodeAgent) -> Iterator[Series]:
    names: dict[str, set[str]] = {}
    ips: dict[str, set[str]] = {}
    zombies: Counter[str] = Counter()
    for row in agent.names.rows():
        endpoint = str(row.endpoint)
        if row.source == "lookup":
            names.setdefault(endpoint, set()).add(row.name)
            ips.setdefault(endpoint, set()).update(row.ips)
        else:
            zombies[endpoint] += 1
    yield _counter(
        "fqdn_gc_deletions_total",
        "Number of FQDNs that have been cleaned on FQDN Garbage collector job",
        agent.names.deletions,
    )
    yield _gauge("fqdn_selectors", "Number of registered ToFQDN selectors", len(agent.repository.fqdn_selectors()))
    yield _by_label(
        "fqdn_active_names",
        "Number of domains inside the DNS cache that have not expired (by TTL), per endpoint",
        "endpoint",
        ((endpoint, len(found)) for endpoint, found in names.items()),
    )
    yield _by_label(
        "fqdn_active_ips",
        "Number of IPs inside the DNS cache associated with a domain that has not expired (by TTL), per endpoint",
        "endpoint",
        ((endpoint, len(found)) for endpoint, found in ips.items()),
    )
    yield _by_label(
        "fqdn_alive_zombie_connections",
        "Number of IPs associated with domains that have expired (by TTL) yet still associated with an active "
        "connection (aka zombie), per endpoint",
        "endpoint",
        zombies.items(),
    )


def _addresses(agent: NodeAgent) -> Iterator[Series]:
    if agent.pool is not None:
        yield _by_label(
            "ip_addresses", "Number of allocated IP addresses", "family", [("ipv4", len(agent.pool.owners))]
        )
        yield _by_label(
            "ipam_capacity",
            "Total number of IPs in the IPAM pool labeled by family",
            "family",
            [("ipv4", agent.pool.capacity)],
        )


def _nodes(agents: Agents, agent: NodeAgent) -> Iterator[Series]:
    others = [other for other in agents.nodes.values() if other is not agent and other.version]
    gone = sum(1 for other in others if not other.running)
    yield _gauge("unreachable_nodes", "Number of nodes that cannot be reached", gone)
    yield _gauge("unreachable_health_endpoints", "Number of health endpoints that cannot be reached", gone)
    version = Series("cilium_version", "Cilium version", "gauge", ("version", "arch"))
    version.set(1, agent.version, "amd64")
    yield version
