"""Names people type, and whom they mean.

==========================  ===========================================================================
text                        who
==========================  ===========================================================================
``shop/frontend``           a pod, a workload, or the pods labelled ``app=frontend`` of that namespace
``frontend``                the same, when only one namespace has it
``world`` ``host`` …        a reserved identity
``203.0.113.7``             the pod of that address, or an address outside
``api.stripe.com``          an address outside that was learned for that name
``svc/shop/backend``        the first pod behind a Service (only as destination)
==========================  ===========================================================================
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from lab_helpers.policy.addresses import world_label
from lab_helpers.policy.errors import PolicyEngineError
from lab_helpers.policy.identities import LOCAL_SCOPE, Endpoint, Identity, reserved_identity
from lab_helpers.policy.inventories import Inventory, Member, ServiceObject
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.matchpatterns import fqdn_labels
from lab_helpers.policy.protocols import Protocol, protocol_named

__all__ = ["Destination", "PartyError", "Whom", "find_destination", "find_party"]


class PartyError(PolicyEngineError):
    """Nobody is called like that; the message says who is."""


@dataclass(frozen=True, slots=True)
class Whom:
    """A party of a question: how it was called, and who it is. ``member`` None: no pod of the inventory."""

    text: str
    endpoint: Endpoint
    member: Member | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom to reach, and where. ``translated`` tells what a Service made of the question."""

    whom: Whom
    protocol: Protocol
    port: int
    translated: str = ""

    @property
    def where(self) -> str:
        """``8080/TCP``, or ``ICMP type 8``."""
        if self.protocol in (Protocol.ICMP, Protocol.ICMPV6):
            return f"{self.protocol.text} type {self.port}"
        return f"{self.port}/{self.protocol.text}"


_RESERVED: Final = ("host", "world", "unmanaged", "health", "init", "remote-node", "kube-apiserver", "ingress")
_DNS_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)+\.?")


def _outside(text: str, labels: LabelSet, world: int) -> Whom:
    numeric = world if len(labels) == 1 else LOCAL_SCOPE + 1 + hash_of(labels)
    return Whom(text, Endpoint(text, Identity(numeric, labels)))


def hash_of(labels: LabelSet) -> int:
    """A small number for a label set, the same in every run."""
    total = 0
    for character in ",".join(labels.strings()):
        total = (total * 131 + ord(character)) % 0xFFFFF0
    return total


def find_party(inventory: Inventory, text: str) -> Whom:
    """Whom a text means. Raises PartyError, with names that are close."""
    if text in _RESERVED:
        return Whom(text, Endpoint(text, reserved_identity(text)))
    repository = inventory.repository
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        for member in inventory.members:
            if member.ip == text:
                return Whom(text, member.endpoint, member)
        family = 6 if ":" in text else 4
        world = 2 if not repository.config.dual_stack else (9 if family == 4 else 10)
        return _outside(text, repository.address_labels(text), world)
    found = _members_called(inventory, text)
    if found:
        return Whom(text, found[0].endpoint, found[0])
    if "/" not in text and _DNS_NAME.fullmatch(text):
        labels = LabelSet({world_label(4, repository.config), *fqdn_labels([text], repository.fqdn_selectors())})
        return _outside(text, labels, 9 if repository.config.dual_stack else 2)
    raise PartyError(f"nobody is called {text!r} here{_suggestions(inventory, text)}")


def _members_called(inventory: Inventory, text: str) -> list[Member]:
    namespace, slash, name = text.rpartition("/")
    candidates = [member for member in inventory.members if not slash or member.namespace == namespace]
    for fits in (
        lambda member: member.name == name,
        lambda member: member.workload == name,
        lambda member: name in (member.label("app"), member.label("app.kubernetes.io/name"), member.label("k8s-app")),
    ):
        found = [member for member in candidates if fits(member)]
        namespaces = sorted({member.namespace for member in found})
        if len(namespaces) > 1:
            raise PartyError(f"{text!r} is in several namespaces: say {' or '.join(f'{n}/{name}' for n in namespaces)}")
        if found:
            return found
    return []


def _suggestions(inventory: Inventory, text: str) -> str:
    names = sorted({f"{member.namespace}/{member.workload}" for member in inventory.members} | set(_RESERVED))
    close = difflib.get_close_matches(text, names, 3, 0.5)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:12])
    return f"; known are {shown}{' …' if len(names) > 12 else ''}"


def find_destination(inventory: Inventory, text: str) -> Destination:
    """Whom and where: ``shop/backend:8080``, ``…:53/UDP``, ``…:http``, ``…:icmp``, ``svc/shop/backend:80``. Raises
    PartyError.
    """
    head, colon, tail = text.rpartition(":")
    if not colon or (":" in head and not head.endswith("]")):
        raise PartyError(f"{text!r} needs a port: for example {text}:8080, {text}:53/UDP or {text}:icmp")
    head = head.strip("[]")
    if head.startswith("svc/"):
        return _through_service(inventory, head.removeprefix("svc/"), tail)
    whom = find_party(inventory, head)
    if tail.lower() in ("icmp", "ping"):
        return Destination(whom, Protocol.ICMP, 8)
    port, _, written = tail.partition("/")
    protocol = protocol_named(written or "TCP", flows=True)
    if not protocol:
        raise PartyError(f"{written!r} is no protocol: TCP, UDP, SCTP or ICMP")
    if port.isdigit() and int(port) <= 65535:
        return Destination(whom, protocol, int(port), _service_port(inventory, whom, int(port)))
    for named in whom.member.ports if whom.member else ():
        if named.name == port.lower():
            return Destination(whom, Protocol[named.protocol.upper()], named.port, f"port {port!r} is {named.port}")
    raise PartyError(f"{head} has no port called {port!r}")


def _service_port(inventory: Inventory, whom: Whom, port: int) -> str:
    """A word of warning when this is the port of a Service, and the pod listens on another."""
    member = whom.member
    if member is None or not member.ports or any(named.port == port for named in member.ports):
        return ""
    labels = dict(member.labels).items()
    for service in inventory.services:
        selector = dict(service.service.selector)
        if selector and service.service.namespace == member.namespace and selector.items() <= labels:
            name = f"{member.namespace}/{service.service.name}"
            if any(item.port == port for item in service.ports):
                return f"no container of {whom.text} declares port {port}: did you mean svc/{name}:{port}?"
    return ""


def _through_service(inventory: Inventory, name: str, port: str) -> Destination:
    namespace, _, short = name.rpartition("/")
    for service in inventory.services:
        if service.service.name == short and (not namespace or service.service.namespace == namespace):
            return _backend(inventory, service, port)
    raise PartyError(f"no Service is called {name!r}")


def _backend(inventory: Inventory, service: ServiceObject, port: str) -> Destination:
    number, _, written = port.partition("/")
    fits = [p for p in service.ports if number in (str(p.port), p.name) and written.upper() in ("", p.protocol)]
    full = f"{service.service.namespace}/{service.service.name}"
    if not fits:
        shown = ", ".join(f"{p.port}/{p.protocol}" for p in service.ports)
        raise PartyError(f"Service {full} has no port {port}: it has {shown}")
    wanted = dict(service.service.selector)
    for member in inventory.members:
        if wanted and member.namespace == service.service.namespace and wanted.items() <= dict(member.labels).items():
            target = fits[0].target
            ports = {named.name: named.port for named in member.ports}
            numeric = int(target) if target.isdigit() else ports.get(target, 0)
            told = f"Service {full}:{fits[0].port} goes to {member.endpoint.name}:{numeric} before policy is asked"
            whom = Whom(f"{member.namespace}/{member.workload}", member.endpoint, member)
            return Destination(whom, Protocol[fits[0].protocol.upper()], numeric, told)
    raise PartyError(f"Service {full} selects no pod")
