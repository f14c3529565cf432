"""The twin's certificate authority and the API server's certificate, kept in the home folder, private to the user.

Files: ``ca.crt``, ``ca.key``, ``apiserver.crt``, ``apiserver.key``. They are made once and made again when they are
about to expire, damaged, not valid yet (the machine's clock was set back), or lack a name.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["Certificates", "ensure_certificates", "write_private"]

NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "cilium-labs-control-plane",
)
ADDRESSES = ("127.0.0.1", "10.96.0.1", "172.18.0.2")
_CA_DAYS, _SERVER_DAYS, _RENEW_DAYS = 3650, 365, 30


class Certificates(NamedTuple):
    """Paths in the home folder."""

    ca: Path
    certificate: Path
    key: Path


def ensure_certificates(
    home: Path, *, names: Sequence[str] = NAMES, addresses: Sequence[str] = ADDRESSES, now: datetime | None = None
) -> Certificates:
    """The certificates in ``home``, made or renewed if need be.

    ``now`` is the host's real time, which TLS clients use.
    """
    moment = now or datetime.now(UTC)
    found = Certificates(home / "ca.crt", home / "apiserver.crt", home / "apiserver.key")
    if not _usable(found, names, addresses, moment):
        _make(home, found, names, addresses, moment)
    return found


def write_private(path: Path, data: bytes) -> None:
    """Write a file only its owner can read, replacing it in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)


def _usable(paths: Certificates, names: Sequence[str], addresses: Sequence[str], moment: datetime) -> bool:
    """Is everything there, in time, and made for these names? A small note beside the certificate says so."""
    if not all(path.is_file() for path in paths):
        return False
    note = paths.certificate.with_suffix(".names")
    try:
        until, *known = note.read_text(encoding="utf-8").split()
        expires = datetime.fromisoformat(until)
    except (OSError, ValueError):
        return False
    in_time = expires - timedelta(days=_SERVER_DAYS) <= moment < expires - timedelta(days=_RENEW_DAYS)
    return in_time and known == [*names, *addresses] and _readable(paths)


def _readable(paths: Certificates) -> bool:
    """Are they whole, and is the key the certificate's?"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(paths.ca)
        context.load_cert_chain(paths.certificate, paths.key)
    except (ssl.SSLError, OSError):
        return False
    return True


def _make(home: Path, paths: Certificates, names: Sequence[str], addresses: Sequence[str], moment: datetime) -> None:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    start = moment - timedelta(minutes=5)

    def subject(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def key_file(key: ec.EllipticCurvePrivateKey) -> bytes:
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = (
        x509.CertificateBuilder()
        .subject_name(subject("kubernetes"))
        .issuer_name(subject("kubernetes"))
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signing_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    until = start + timedelta(days=_SERVER_DAYS)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject("kube-apiserver"))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signing_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    write_private(home / "ca.key", key_file(ca_key))
    write_private(paths.ca, ca.public_bytes(pem))
    write_private(paths.key, key_file(key))
    write_private(paths.certificate, certificate.public_bytes(pem))
    note = "\n".join([until.isoformat(), *names, *addresses])
    write_private(paths.certificate.with_suffix(".names"), note.encode())


def _usage(*, signing_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signing_certificates,
        crl_sign=signing_certificates,
        encipher_only=False,
        decipher_only=False,
    )
