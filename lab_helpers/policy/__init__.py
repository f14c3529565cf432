"""The policy engine: Cilium's verdicts, with reasons. Pure: no I/O, no clock, no globals.

Read an object with :func:`parse` (or a text with :func:`parse_yaml`), give it to a :class:`Repository` together
with the endpoints and identities there are, and ask it to :meth:`~Repository.decide`.

Names are imported from their modules when first asked for, so a program pays only for the parts it uses.

What is where, from objects to verdicts and what can be said about them:

- texts: ``manifests`` with the place of every field (``paths``); ``decoding`` by the shapes of ``schemas``
- objects to rules: ``parsing`` (``parsing_kubernetes`` for NetworkPolicies), refused as Cilium refuses by
  ``sanitizing``, ``label_validation`` and ``layer7_validation``; elements by ``peers``, ``port_rules``, ``services``;
  the result: ``rules``
- who there is: ``labels``, those of a pod (``pod_labels``) or of an address (``addresses``), ``identities``,
  ``rosters``, ``populations``
- what rules name: ``selectors`` and their live answers (``selections``), ``prefixes``, ``protocols``,
  ``matchpatterns``, ``requests`` of layer 7, ``regexes``
- a verdict: ``repositories``, ``resolving``, ``deciding``; the answer: ``decisions``; entry by entry: ``policymaps``;
  what a configuration or a version of Cilium changes: ``configs``, ``versions``; what goes wrong: ``errors``
- why, and what else: ``explaining`` in the words of ``explanations``, ``counterfactuals``
- a cluster as a whole: ``inventories`` of its objects, ``parties`` by the names people type, ``reachability`` and its
  ``matrix_texts``, ``policy_tables``, ``version_differences``, ``cases`` in bulk
- flows: ``recorded_flows`` judged anew, ``learning`` policies from them
- lint: ``linting`` by ``lint_shapes`` and ``lint_rules``, each finding with one of the ``labs``
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lab_helpers.policy.addresses import address_labels
    from lab_helpers.policy.configs import AllowLocalhost, EnforcementMode, PolicyConfig, Version
    from lab_helpers.policy.decisions import (
        Decision,
        DropReason,
        Enforcement,
        MapEntry,
        MatchType,
        Redirect,
        SelectorUse,
        Why,
    )
    from lab_helpers.policy.errors import (
        ManifestError,
        PolicyEngineError,
        PolicyError,
        Position,
        RegexError,
        UnknownIdentity,
    )
    from lab_helpers.policy.identities import (
        LOCAL_SCOPE,
        MAXIMUM_CLUSTER_IDENTITY,
        MINIMUM_CLUSTER_IDENTITY,
        RESERVED,
        Endpoint,
        Identity,
        NamedPort,
        ReservedIdentity,
        reserved_identity,
        runs_endpoint,
    )
    from lab_helpers.policy.labels import Label, LabelSet, parse_label, parse_labels
    from lab_helpers.policy.manifests import Manifest, parse_yaml, read_manifests
    from lab_helpers.policy.matchpatterns import FQDNSelector, fqdn_labels, name_matches
    from lab_helpers.policy.parsing import KINDS, parse
    from lab_helpers.policy.pod_labels import DEFAULT_FILTER, LabelFilter, identity_labels
    from lab_helpers.policy.policymaps import policy_map
    from lab_helpers.policy.prefixes import Prefix, PrefixError, parse_prefix
    from lab_helpers.policy.protocols import PortMatch, Protocol, protocol_named
    from lab_helpers.policy.repositories import Party, Repository
    from lab_helpers.policy.requests import (
        DNSRule,
        HeaderMatch,
        HTTPRequest,
        HTTPRule,
        KafkaRequest,
        KafkaRule,
        L7Parser,
        L7Rules,
        dns_allows,
        http_allows,
        kafka_allows,
        server_name_allows,
    )
    from lab_helpers.policy.rules import (
        Action,
        CIDRGroup,
        Direction,
        Notice,
        ParsedPolicy,
        PolicyRef,
        PortRule,
        Rule,
        RuleRef,
        Service,
        Tier,
    )

__all__ = [
    "DEFAULT_FILTER",
    "KINDS",
    "LOCAL_SCOPE",
    "MAXIMUM_CLUSTER_IDENTITY",
    "MINIMUM_CLUSTER_IDENTITY",
    "RESERVED",
    "Action",
    "AllowLocalhost",
    "CIDRGroup",
    "DNSRule",
    "Decision",
    "Direction",
    "DropReason",
    "Endpoint",
    "Enforcement",
    "EnforcementMode",
    "FQDNSelector",
    "HTTPRequest",
    "HTTPRule",
    "HeaderMatch",
    "Identity",
    "KafkaRequest",
    "KafkaRule",
    "L7Parser",
    "L7Rules",
    "Label",
    "LabelFilter",
    "LabelSet",
    "Manifest",
    "ManifestError",
    "MapEntry",
    "MatchType",
    "NamedPort",
    "Notice",
    "ParsedPolicy",
    "Party",
    "PolicyConfig",
    "PolicyEngineError",
    "PolicyError",
    "PolicyRef",
    "PortMatch",
    "PortRule",
    "Position",
    "Prefix",
    "PrefixError",
    "Protocol",
    "Redirect",
    "RegexError",
    "Repository",
    "ReservedIdentity",
    "Rule",
    "RuleRef",
    "SelectorUse",
    "Service",
    "Tier",
    "UnknownIdentity",
    "Version",
    "Why",
    "address_labels",
    "dns_allows",
    "fqdn_labels",
    "http_allows",
    "identity_labels",
    "kafka_allows",
    "name_matches",
    "parse",
    "parse_label",
    "parse_labels",
    "parse_prefix",
    "parse_yaml",
    "policy_map",
    "protocol_named",
    "read_manifests",
    "reserved_identity",
    "runs_endpoint",
    "server_name_allows",
]

_EXPORTS: Final = {
    "addresses": "address_labels",
    "configs": "AllowLocalhost EnforcementMode PolicyConfig Version",
    "decisions": "Decision DropReason Enforcement MapEntry MatchType Redirect SelectorUse Why",
    "errors": "ManifestError PolicyEngineError PolicyError Position RegexError UnknownIdentity",
    "identities": "Endpoint Identity LOCAL_SCOPE MAXIMUM_CLUSTER_IDENTITY MINIMUM_CLUSTER_IDENTITY NamedPort RESERVED "
    "ReservedIdentity reserved_identity runs_endpoint",
    "labels": "Label LabelSet parse_label parse_labels",
    "manifests": "Manifest parse_yaml read_manifests",
    "matchpatterns": "FQDNSelector fqdn_labels name_matches",
    "parsing": "KINDS parse",
    "pod_labels": "DEFAULT_FILTER LabelFilter identity_labels",
    "policymaps": "policy_map",
    "prefixes": "Prefix PrefixError parse_prefix",
    "protocols": "PortMatch Protocol protocol_named",
    "repositories": "Party Repository",
    "requests": "DNSRule HTTPRequest HTTPRule HeaderMatch KafkaRequest KafkaRule L7Parser L7Rules dns_allows "
    "http_allows kafka_allows server_name_allows",
    "rules": "Action CIDRGroup Direction Notice ParsedPolicy PolicyRef PortRule Rule RuleRef Service Tier",
}
"""What each module gives."""
_HOMES: Final = {name: module for module, names in _EXPORTS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    module = _HOMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
