"""CiliumEnvoyConfig, CiliumClusterwideEnvoyConfig, CiliumLocalRedirectPolicy and CiliumEgressGatewayPolicy.

The address patterns of the last two are written shorter than Cilium's and accept the same addresses.
"""

from __future__ import annotations

from lab_helpers.twin.api.crds.cilium.definitions import (
    AGE,
    Definition,
    Schema,
    boolean,
    enum,
    integer,
    listing,
    one_of,
    struct,
    text,
)
from lab_helpers.twin.api.crds.cilium.selectors import selector

__all__ = ["REDIRECTS"]

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS = rf"^\s*(({_OCTET}\.){{3}}{_OCTET}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%.+)?)\s*$"
_PREFIX = (
    rf"^(({_OCTET}\.){{3}}{_OCTET}/([0-9]|[1-2][0-9]|3[0-2])"
    r"|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*/([0-9]{1,2}|1[0-1][0-9]|12[0-8]))$"
)
_PORT = r"^()([1-9]|[1-5]?[0-9]{2,4}|6[1-4][0-9]{3}|65[1-4][0-9]{2}|655[1-2][0-9]|6553[1-5])$"
_NAME = r"^([0-9]{1,4})|([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*$"


def _frozen(name: str) -> Schema:
    return {"x-kubernetes-validations": [{"message": f"{name} is immutable", "rule": "self == oldSelf"}]}


def _ports() -> Schema:
    port = struct(
        "", ("port", "protocol"), name=text(pattern=_NAME), port=text(pattern=_PORT), protocol=enum("TCP", "UDP")
    )
    return listing(port, "Ports")


def _envoy_spec() -> Schema:
    resource: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    backend = struct("", ("name",), name=text(), namespace=text(), number=listing(text()))
    service = struct("", ("name",), listener=text(), name=text(), namespace=text(), ports=listing(integer()))
    return struct(
        "",
        ("resources",),
        backendServices=listing(backend, "Services whose endpoints Envoy learns"),
        nodeSelector=selector("Nodes this is for"),
        resources=listing(resource, "Envoy resources"),
        services=listing(service, "Services whose traffic goes to a listener"),
    )


def _gateway(about: str) -> Schema:
    rule = {"message": "egressIP must be a valid IP address", "rule": "self == '' || isIP(self)"}
    return struct(
        about,
        ("nodeSelector",),
        egressIP=text("Source address", maxLength=39, **{"x-kubernetes-validations": [rule]}),
        interface=text("Interface whose address is the source"),
        nodeSelector=selector("The node that is the gateway"),
    )


_FRONTEND = struct(
    "Which traffic is redirected",
    addressMatcher=struct("", ("ip", "toPorts"), ip=text(pattern=_ADDRESS), toPorts=_ports()),
    serviceMatcher=struct("", ("namespace", "serviceName"), namespace=text(), serviceName=text(), toPorts=_ports()),
)
_BACKEND = struct(
    "Where it goes",
    ("localEndpointSelector", "toPorts"),
    localEndpointSelector=selector("Pods of the same node"),
    toPorts=_ports(),
)
_CHOSEN = struct("", namespaceSelector=selector(), nodeSelector=selector(), podSelector=selector())
REDIRECTS: tuple[Definition, ...] = (
    Definition(
        "CiliumEnvoyConfig",
        "ciliumenvoyconfigs",
        {"spec": _envoy_spec()},
        ("metadata",),
        ("cec",),
        namespaced=True,
        columns=(AGE,),
        subresources={},
        about="Configuration of Envoy for one namespace",
    ),
    Definition(
        "CiliumClusterwideEnvoyConfig",
        "ciliumclusterwideenvoyconfigs",
        {"spec": _envoy_spec()},
        ("metadata",),
        ("ccec",),
        columns=(AGE,),
        subresources={},
        about="Configuration of Envoy for the whole cluster",
    ),
    Definition(
        "CiliumLocalRedirectPolicy",
        "ciliumlocalredirectpolicies",
        {
            "spec": struct(
                "",
                ("redirectBackend", "redirectFrontend"),
                description=text("Free text"),
                redirectBackend=_BACKEND | _frozen("redirectBackend"),
                redirectFrontend=_FRONTEND
                | {"oneOf": one_of("addressMatcher", "serviceMatcher")}
                | _frozen("redirectFrontend"),
                skipRedirectFromBackend=boolean(
                    "Leave the backend's own traffic alone", default=False, **_frozen("skipRedirectFromBackend")
                ),
            ),
            "status": struct("", ok=boolean()),
        },
        ("metadata",),
        ("clrp",),
        ("cilium", "ciliumpolicy"),
        namespaced=True,
        columns=(AGE,),
        subresources={},
        about="Redirects traffic to a pod on the same node",
    ),
    Definition(
        "CiliumEgressGatewayPolicy",
        "ciliumegressgatewaypolicies",
        {
            "spec": struct(
                "",
                ("destinationCIDRs", "egressGateway", "selectors"),
                destinationCIDRs=listing(text(pattern=_PREFIX), "Destinations"),
                egressGateway=_gateway("The gateway"),
                egressGateways=listing(_gateway(""), "Several gateways", default=[], maxItems=64),
                excludedCIDRs=listing(text(pattern=_PREFIX), "Destinations left out"),
                selectors=listing(_CHOSEN, "Whose traffic"),
            )
        },
        ("metadata",),
        ("cegp",),
        ("cilium", "ciliumpolicy"),
        columns=(AGE,),
        subresources={},
        about="Sends traffic of some pods to the outside through one node",
    ),
)
