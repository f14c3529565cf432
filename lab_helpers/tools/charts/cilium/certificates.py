"""Certificates that the chart makes when it is installed: the CA, Hubble's server, Relay's client
(templates/hubble/tls-helm).

What exists in the cluster is kept, so that an upgrade changes nothing. Keys are ECDSA P-256.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from lab_helpers.tools.charts.cilium.checks import at
from lab_helpers.tools.charts.cilium.shapes import Context
from lab_helpers.tools.charts.rendering import Lookup, Manifest

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["certificates"]

LABEL = {"cilium.io/helm-template-non-idempotent": "true"}


class _Pair(NamedTuple):
    """PEM texts."""

    certificate: bytes
    key: bytes


def certificates(context: Context, lookup: Lookup) -> list[Manifest]:
    """Secrets ``cilium-ca`` and those of Hubble, as far as ``hubble.tls`` asks for them."""
    values = context.values
    tls = at(values, "hubble.tls")
    automatic = at(values, "hubble.enabled") and tls["enabled"] and tls["auto"]["enabled"]
    if not automatic or tls["auto"]["method"] != "helm":
        return []
    authority = _authority(context, lookup)
    labels = {**(values.get("commonLabels") or {}), **LABEL}
    secret = context.object(
        "v1",
        "Secret",
        "cilium-ca",
        labels=labels,
        data={"ca.crt": _encoded(authority.certificate), "ca.key": _encoded(authority.key)},
    )
    cluster = str(at(values, "cluster.name")).replace(".", "-")
    wanted = [("hubble-server-certs", f"*.{cluster}.hubble-grpc.cilium.io", "server-secret")]
    if at(values, "hubble.relay.enabled"):
        wanted.append(("hubble-relay-client-certs", "*.hubble-relay.cilium.io", "relay-client-secret"))
        if at(values, "hubble.relay.tls.server.enabled"):
            wanted.append(("hubble-relay-server-certs", "*.hubble-relay.cilium.io", "relay-server-secret"))
            if at(values, "hubble.ui.enabled"):
                wanted.append(("hubble-ui-client-certs", "*.hubble-ui.cilium.io", "ui-client-certs"))
    found = [Manifest("cilium/templates/cilium-ca-secret.yaml", secret)]
    for name, host, source in wanted:
        existing = (lookup("Secret", context.namespace, name) or {}).get("data") or {}
        data = {"ca.crt": _encoded(authority.certificate)}
        if existing.get("tls.crt") and existing.get("tls.key"):
            data |= {"tls.crt": existing["tls.crt"], "tls.key": existing["tls.key"]}
        else:
            pair = _signed(host, int(tls["auto"]["certValidityDuration"]), authority)
            data |= {"tls.crt": _encoded(pair.certificate), "tls.key": _encoded(pair.key)}
        body = context.object("v1", "Secret", name, labels=labels, type="kubernetes.io/tls", data=data)
        found.append(Manifest(f"cilium/templates/hubble/tls-helm/{source}.yaml", body))
    return found


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _authority(context: Context, lookup: Lookup) -> _Pair:
    given = at(context.values, "tls.ca")
    if given["cert"] and given["key"]:
        return _Pair(base64.b64decode(given["cert"]), base64.b64decode(given["key"]))
    existing = (lookup("Secret", context.namespace, "cilium-ca") or {}).get("data") or {}
    if existing.get("ca.crt") and existing.get("ca.key"):
        return _Pair(base64.b64decode(existing["ca.crt"]), base64.b64decode(existing["ca.key"]))
    return _self_signed("Cilium CA", int(given["certValidityDuration"]))


def _self_signed(name: str, days: int) -> _Pair:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = _builder(subject, subject, days).public_key(key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return _pair(builder.sign(key, hashes.SHA256()), key)


def _signed(host: str, days: int, authority: _Pair) -> _Pair:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signer: Any = serialization.load_pem_private_key(authority.key, password=None)
    builder = _builder(_name(host), issuer.subject, days).public_key(key.public_key())
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return _pair(builder.sign(signer, hashes.SHA256()), key)


def _name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=days))


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> _Pair:
    from cryptography.hazmat.primitives import serialization

    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _Pair(certificate.public_bytes(serialization.Encoding.PEM), private)
