"""Objects in, rules out; or a :class:`PolicyError` with Cilium's words.

Follows Cilium pkg/k8s/apis/cilium.io/v2/{cnp_types,ccnp_types}.go (``Parse``) and pkg/policy/utils/parserules.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.policy.decoding import Decoder, Struct
from lab_helpers.policy.errors import PolicyError, Position
from lab_helpers.policy.labels import Label, parse_label
from lab_helpers.policy.parsing_kubernetes import parse_cluster_network_policy, parse_network_policy
from lab_helpers.policy.paths import Path, render, split
from lab_helpers.policy.peers import decoded_selector, element_peers, subject_selector
from lab_helpers.policy.port_rules import element_ports, icmp_type
from lab_helpers.policy.prefixes import PrefixError, parse_prefix
from lab_helpers.policy.rules import (
    Action,
    CIDRGroup,
    Direction,
    Notice,
    Origin,
    ParsedPolicy,
    PolicyRef,
    Rule,
    RuleRef,
    ServiceRef,
)
from lab_helpers.policy.sanitizing import SECTIONS, check_rule
from lab_helpers.policy.schemas import CIDR_GROUP, CLUSTER_NETWORK_POLICY, NETWORK_POLICY, cilium_policy
from lab_helpers.policy.selectors import WILDCARD, LabelSelector

__all__ = ["KINDS", "Locate", "parse", "provenance"]

Locate = Callable[[Path], Position | None]
"""Where a field stands in the text the object came from."""

_Node = Mapping[str, Any]

KINDS: Final = {
    "CiliumNetworkPolicy": "cilium.io/v2",
    "CiliumClusterwideNetworkPolicy": "cilium.io/v2",
    "CiliumCIDRGroup": "cilium.io/v2",
    "NetworkPolicy": "networking.k8s.io/v1",
    "ClusterNetworkPolicy": "policy.networking.k8s.io/v1alpha2",
}
"""Kind → API version of the objects :func:`parse` reads."""


def _nowhere(_: Path) -> Position | None:
    return None


def provenance(kind: str, namespace: str, name: str, uid: str) -> tuple[Label, ...]:
    """The labels by which Cilium remembers where a rule came from."""
    pairs = [("derived-from", kind), ("name", name)]
    if namespace:
        pairs.append(("namespace", namespace))
    pairs.append(("uid", uid))
    return tuple(Label("k8s", f"io.cilium.k8s.policy.{key}", value) for key, value in pairs)


def parse(obj: Mapping[str, Any], config: PolicyConfig | None = None, *, locate: Locate = _nowhere) -> ParsedPolicy:
    """Read one object as the agent does.

    Accepts the :data:`KINDS`; any other is refused with category ``unknown-kind``. Unknown fields are ignored, as the
    agent does, and told as ``warnings``. Raises PolicyError; with ``locate`` errors, warnings and rules know their
    place in a file.
    """
    config = config or PolicyConfig()
    kind = str(obj.get("kind") or "")
    metadata = obj.get("metadata") if isinstance(obj.get("metadata"), Mapping) else {}
    namespace, name = str((metadata or {}).get("namespace") or ""), str((metadata or {}).get("name") or "")
    try:
        return _parse(kind, obj, config, locate)
    except PolicyError as error:
        located = error.owned(kind, namespace, name)
        return _reraise(located.located(locate(split(error.path))))


def _reraise(error: PolicyError) -> ParsedPolicy:
    raise error from None


def _parse(kind: str, obj: _Node, config: PolicyConfig, locate: Locate) -> ParsedPolicy:
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise PolicyError(f"kind {kind!r} is no policy; known are {known}", category="unknown-kind", path="kind")
    if kind == "NetworkPolicy":
        return _finish(kind, obj, NETWORK_POLICY, config, locate, parse_network_policy)
    if kind == "ClusterNetworkPolicy":
        if not config.cluster_network_policy or config.version is Version.V1_19:
            raise PolicyError(
                "ClusterNetworkPolicy is ignored: it needs k8sClusterNetworkPolicy.enabled=true (Cilium 1.20)",
                category="feature-disabled",
                path="kind",
            )
        return _finish(kind, obj, CLUSTER_NETWORK_POLICY, config, locate, parse_cluster_network_policy)
    if kind == "CiliumCIDRGroup":
        return _cidr_group(obj, locate)
    return _finish(kind, obj, cilium_policy(config.version), config, locate, _cilium_rules)


_Rules = Callable[[_Node, PolicyConfig, Origin], Iterator[Rule]]


def _finish(
    kind: str, obj: _Node, schema: Struct, config: PolicyConfig, locate: Locate, rules_of: _Rules
) -> ParsedPolicy:
    decoder = Decoder()
    decoded = decoder.read(obj, schema)
    _check_icmp_names(decoded)
    metadata = decoded.get("metadata") or {}
    name, namespace, uid = metadata.get("name", ""), metadata.get("namespace", ""), metadata.get("uid", "")
    if kind == "NetworkPolicy":
        namespace = namespace or "default"
    elif kind in ("CiliumClusterwideNetworkPolicy", "ClusterNetworkPolicy"):
        namespace = ""
    derived = kind
    if kind == "CiliumNetworkPolicy" and not namespace:
        derived = "CiliumClusterwideNetworkPolicy"
    policy = PolicyRef(kind, namespace, name)
    rules = tuple(rules_of(decoded, config, Origin(policy, provenance(derived, namespace, name, uid), locate)))
    warnings = tuple(Notice(render(path), f'unknown field "{render(path)}"', locate(path)) for path in decoder.unknown)
    return ParsedPolicy(policy, rules, uid, warnings, None, locate(()))


def _check_icmp_names(decoded: _Node) -> None:
    """Names of ICMP types are looked up while decoding, before anything is validated."""
    specs: list[tuple[Path, _Node]] = [(("spec",), decoded.get("spec") or {})]
    specs += [(("specs", number), spec or {}) for number, spec in enumerate(decoded.get("specs") or ())]
    for start, spec in specs:
        for section in SECTIONS:
            for index, element in enumerate(spec.get(section) or ()):
                for at, icmp in enumerate((element or {}).get("icmps") or ()):
                    for number, field in enumerate((icmp or {}).get("fields") or ()):
                        family, written = (field or {}).get("family", ""), (field or {}).get("type")
                        if icmp_type("<nil>" if written is None else written, family) is None:
                            shown = "<nil>" if written is None else written
                            path = (*start, section, index, "icmps", at, "fields", number, "type")
                            raise PolicyError(
                                f"ICMP type {shown} not found in {family}", category="icmp-bad-type", path=render(path)
                            )


def _cilium_rules(decoded: _Node, config: PolicyConfig, origin: Origin) -> Iterator[Rule]:
    metadata = decoded.get("metadata") or {}
    clusterwide = decoded.get("kind") == "CiliumClusterwideNetworkPolicy" or not metadata.get("namespace")
    kind = "CiliumClusterwideNetworkPolicy" if clusterwide else "CiliumNetworkPolicy"
    if not metadata.get("name"):
        raise PolicyError(f"{decoded.get('kind')} must have name", category="no-name", path="metadata.name")
    spec, specs = decoded.get("spec"), decoded.get("specs")
    if spec is None and specs is None:
        raise PolicyError(f"Invalid {kind} spec(s): empty policy", category="empty-policy", path="spec")
    namespace = "" if clusterwide else metadata.get("namespace", "")
    found: list[Rule] = []
    if spec is not None:
        _check(spec, f"Invalid {kind} spec", ("spec",), config, clusterwide=clusterwide)
        found.extend(_spec_rules(spec, None, namespace, config, origin))
    for number, one in enumerate(specs or ()):
        _check(one or {}, f"Invalid {kind} specs", ("specs", number), config, clusterwide=clusterwide)
        found.extend(_spec_rules(one or {}, number, namespace, config, origin))
    yield from found


def _check(spec: _Node, start: str, path: Path, config: PolicyConfig, *, clusterwide: bool) -> None:
    try:
        check_rule(spec, config, path)
    except PolicyError as error:
        raise PolicyError(f"{start}: {error.message}", category=error.category, path=error.path) from None
    if spec.get("nodeSelector") is not None and not clusterwide:
        raise PolicyError(
            f"{start}: rule cannot have NodeSelector",
            category="node-selector-in-cnp",
            path=render((*path, "nodeSelector")),
        )


def _default_deny(spec: _Node, direction: Direction, config: PolicyConfig) -> bool:
    if not config.non_default_deny:
        return True
    written = (spec.get("enableDefaultDeny") or {}).get(direction)
    if written is not None:
        return bool(written)
    return bool(spec.get(direction) or spec.get(f"{direction}Deny"))


def _rule_labels(spec: _Node) -> tuple[Label, ...]:
    found = []
    for item in spec.get("labels") or ():
        if isinstance(item, Mapping):
            found.append(
                Label(str(item.get("source") or "unspec"), str(item.get("key", "")), str(item.get("value", "")))
            )
        else:
            found.append(parse_label(str(item)))
    return tuple(found)


def _spec_rules(
    spec: _Node, number: int | None, namespace: str, config: PolicyConfig, origin: Origin
) -> Iterator[Rule]:
    labels = _rule_labels(spec)
    node = spec.get("nodeSelector") is not None
    subject = decoded_selector(spec["nodeSelector"]) if node else subject_selector(spec["endpointSelector"], namespace)
    for section in SECTIONS:
        direction = Direction.INGRESS if section.startswith("ingress") else Direction.EGRESS
        default_deny = _default_deny(spec, direction, config)
        for index, element in enumerate(spec.get(section) or ()):
            ref = origin.ref(section, index, number, labels)
            yield _element_rule(element or {}, ref, direction, subject, namespace, config, default_deny, node, spec)


def _element_rule(
    element: _Node,
    ref: RuleRef,
    direction: Direction,
    subject: LabelSelector,
    namespace: str,
    config: PolicyConfig,
    default_deny: bool,
    node: bool,
    spec: _Node,
) -> Rule:
    allows = not ref.section.endswith("Deny")
    way = "from" if direction is Direction.INGRESS else "to"
    for_init = subject.has_key("reserved:init")
    peers = element_peers(element, way, namespace, config, for_init=for_init)
    ports = element_ports(element, allows=allows)
    services = _services(element)
    if peers is None:
        peers = ()
    elif not peers and not services and ports is not None:
        peers = (WILDCARD,)
    return Rule(
        ref,
        direction,
        Action.ALLOW if allows else Action.DENY,
        subject,
        peers,
        ports,
        default_deny,
        node=node,
        services=services,
        authentication=(element.get("authentication") or {}).get("mode", ""),
        log=(spec.get("log") or {}).get("value", ""),
    )


def _services(element: _Node) -> tuple[ServiceRef, ...]:
    found = []
    for item in element.get("toServices") or ():
        by_name, by_labels = (item or {}).get("k8sService"), (item or {}).get("k8sServiceSelector")
        if by_name is not None:
            found.append(ServiceRef(by_name.get("serviceName", ""), by_name.get("namespace", "")))
        if by_labels is not None:
            selector = decoded_selector(by_labels.get("selector") or {}, lenient=True)
            found.append(ServiceRef("", by_labels.get("namespace", ""), selector))
    return tuple(found)


def _cidr_group(obj: _Node, locate: Locate) -> ParsedPolicy:
    decoder = Decoder()
    decoded = decoder.read(obj, CIDR_GROUP)
    metadata = decoded.get("metadata") or {}
    name = metadata.get("name", "")
    if not name:
        raise PolicyError("CiliumCIDRGroup must have name", category="no-name", path="metadata.name")
    prefixes = []
    for number, text in enumerate((decoded.get("spec") or {}).get("externalCIDRs") or ()):
        try:
            prefixes.append(parse_prefix(text or ""))
        except PrefixError as error:
            raise PolicyError(str(error), category="bad-cidr", path=f"spec.externalCIDRs[{number}]") from None
    labels = tuple(sorted((metadata.get("labels") or {}).items()))
    group = CIDRGroup(name, labels, tuple(prefixes))
    warnings = tuple(Notice(render(path), f'unknown field "{render(path)}"', locate(path)) for path in decoder.unknown)
    ref = PolicyRef("CiliumCIDRGroup", "", name)
    return ParsedPolicy(ref, (), metadata.get("uid", ""), warnings, group, locate(()))
