"""CiliumEndpoint, CiliumIdentity and CiliumEndpointSlice."""

from __future__ import annotations

from lab_helpers.twin.api.crds.cilium.definitions import (
    AGE,
    Definition,
    Schema,
    boolean,
    column,
    enum,
    integer,
    listing,
    mapping,
    struct,
    text,
)

__all__ = ["ENDPOINTS"]

_LONG = {"format": "int64"}
_ENCRYPTION = struct("", key=integer("Index of the encryption key"))
_NAMED_PORTS = listing(struct("", name=text(), port=integer(), protocol=text()), "Named container ports")
_NETWORKING = struct(
    "",
    ("addressing",),
    addressing=listing(struct("", ipv4=text(), ipv6=text()), "Addresses of the endpoint"),
    node=text("Address of the node"),
)
_STATES = (
    "creating",
    "waiting-for-identity",
    "not-ready",
    "waiting-to-regenerate",
    "regenerating",
    "restoring",
    "ready",
    "disconnecting",
    "disconnected",
    "invalid",
)


def _direction() -> Schema:
    fields = {
        "dest-port": integer(),
        "identity": integer(**_LONG),
        "identity-labels": mapping(text()),
        "protocol": integer(),
    }
    lists = {name: listing(struct("", **fields)) for name in ("adding", "allowed", "denied", "removing")}
    return struct("", ("enforcing",), enforcing=boolean(), state=text("Enforcement in words"), **lists)


def _controllers() -> Schema:
    configuration = {"error-retry": boolean(), "error-retry-base": integer(**_LONG), "interval": integer(**_LONG)}
    status = {
        "consecutive-failure-count": integer(**_LONG),
        "failure-count": integer(**_LONG),
        "last-failure-msg": text(),
        "last-failure-timestamp": text(),
        "last-success-timestamp": text(),
        "success-count": integer(**_LONG),
    }
    element = struct(
        "", configuration=struct("", **configuration), name=text(), status=struct("", **status), uuid=text()
    )
    return listing(element, "Controllers of the endpoint")


_EXTERNAL = (
    "cni-attachment-id container-id container-name docker-endpoint-id docker-network-id "
    "k8s-namespace k8s-pod-name pod-name"
)
_ENDPOINT_STATUS = struct(
    "",
    controllers=_controllers(),
    encryption=_ENCRYPTION,
    health=struct("", bpf=text(), connected=boolean(), overallHealth=text(), policy=text()),
    id=integer("Number of the endpoint on its node", **_LONG),
    identity=struct("", id=integer("Numeric identity", **_LONG), labels=listing(text(), "Labels of the identity")),
    log=listing(struct("", code=text(), message=text(), state=text(), timestamp=text()), "Recent state changes"),
    networking=_NETWORKING,
    policy=struct("What is enforced", egress=_direction(), ingress=_direction()),
    state=enum(*_STATES, about="State of the endpoint"),
    **{
        "external-identifiers": struct("", **{name: text() for name in _EXTERNAL.split()}),
        "named-ports": _NAMED_PORTS,
        "service-account": text("Service account of the pod"),
    },
)
_SLICE_FIELDS = {
    "encryption": _ENCRYPTION,
    "id": integer("Numeric identity", **_LONG),
    "name": text("Name of the CiliumEndpoint"),
    "named-ports": _NAMED_PORTS,
    "networking": _NETWORKING,
    "pod-uid": text(),
    "service-account": text(),
}
ENDPOINTS: tuple[Definition, ...] = (
    Definition(
        "CiliumEndpoint",
        "ciliumendpoints",
        {"status": _ENDPOINT_STATUS},
        ("metadata",),
        ("cep", "ciliumep"),
        namespaced=True,
        columns=(
            column("Security Identity", ".status.identity.id", "integer"),
            column("Ingress Enforcement", ".status.policy.ingress.state", priority=1),
            column("Egress Enforcement", ".status.policy.egress.state", priority=1),
            column("Endpoint State", ".status.state"),
            column("IPv4", ".status.networking.addressing[0].ipv4"),
            column("IPv6", ".status.networking.addressing[0].ipv6"),
        ),
        subresources={},
        about="The state of one pod that Cilium manages",
    ),
    Definition(
        "CiliumIdentity",
        "ciliumidentities",
        {"security-labels": mapping(text(), "The labels that make the identity, with their sources")},
        ("metadata", "security-labels"),
        ("ciliumid",),
        columns=(column("Namespace", r".metadata.labels.io\.kubernetes\.pod\.namespace"), AGE),
        subresources={"status": {}},
        about="A set of labels and the number that stands for it in the whole cluster",
    ),
    Definition(
        "CiliumEndpointSlice",
        "ciliumendpointslices",
        {"endpoints": listing(struct("", **_SLICE_FIELDS), "Endpoints of one namespace"), "namespace": text()},
        ("endpoints", "metadata"),
        ("ces",),
        versions=("v2alpha1",),
        about="Many endpoints in one object",
    ),
)
