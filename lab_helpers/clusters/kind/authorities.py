"""Certificates of the outside: a small authority of its own, made on this machine and valid nowhere else.

What is still good is kept: the authority for five years, servers' certificates for one. Files are PEM; a server's file
holds its key, its certificate and the authority's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from lab_helpers.clusters.kind.errors import KindError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["Authority", "Wanted", "certify", "open_authority"]

_AUTHORITY_DAYS: Final = 5 * 365
_SERVER_DAYS: Final = 365
_LEFT_DAYS: Final = 30


class Wanted(NamedTuple):
    """A server's certificate: its file, the names it is valid for, and whether the authority signs it."""

    file: str
    names: tuple[str, ...]
    signed: bool


class Authority(NamedTuple):
    """Who signs. ``file`` is the certificate that clients trust."""

    file: Path
    certificate: x509.Certificate
    key: EllipticCurvePrivateKey


def open_authority(folder: Path, name: str, now: dt.datetime | None = None) -> Authority:
    """The authority kept in ``folder`` (ca.crt, ca.key), made when there is none. Raises KindError."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = now or dt.datetime.now(dt.UTC)
    certificate_file, key_file = folder / "ca.crt", folder / "ca.key"
    try:
        if certificate_file.is_file() and key_file.is_file():
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
            if isinstance(key, ec.EllipticCurvePrivateKey) and _lasts(certificate, now):
                return Authority(certificate_file, certificate, key)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = _builder(subject, subject, key, now, _AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs=True), critical=True)
        certificate = _sign(builder, key)
        folder.mkdir(parents=True, exist_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_bytes(_private(key))
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    except (OSError, ValueError) as error:
        raise KindError(
            f"the certificates of the outside cannot be used: {error}", where=str(folder), try_="remove that folder"
        ) from error
    return Authority(certificate_file, certificate, key)


def certify(authority: Authority, wanted: Sequence[Wanted], folder: Path, now: dt.datetime | None = None) -> list[str]:
    """Write the certificates that are missing, stale or of another authority; returns their files. Raises KindError."""
    now = now or dt.datetime.now(dt.UTC)
    written = []
    try:
        for one in wanted:
            if not _good(folder / one.file, one, authority, now):
                _write(authority, one, folder / one.file, now)
                written.append(one.file)
    except OSError as error:
        raise KindError(f"cannot write: {error.strerror}", where=str(error.filename), try_="free some space") from error
    return written


def _write(authority: Authority, wanted: Wanted, path: Path, now: dt.datetime) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, wanted.names[0])])
    issuer, signer = (authority.certificate.subject, authority.key) if wanted.signed else (subject, key)
    builder = _builder(subject, issuer, key, now, _SERVER_DAYS)
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in wanted.names])
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    # strict clients (Python 3.13) want to know which key signed
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    pem = serialization.Encoding.PEM
    chain = [_sign(builder, signer).public_bytes(pem)]
    if wanted.signed:
        chain.append(authority.certificate.public_bytes(pem))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(_private(key) + b"".join(chain))


def _good(path: Path, wanted: Wanted, authority: Authority, now: dt.datetime) -> bool:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if tuple(names.get_values_for_type(x509.DNSName)) != wanted.names or not _lasts(certificate, now):
        return False
    if not wanted.signed:
        return certificate.issuer == certificate.subject
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # noqa: BLE001 - whatever the reason: not signed by this authority
        return False
    return True


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))  # clocks of containers' hosts differ a little
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey) -> x509.Certificate:
    from cryptography.hazmat.primitives import hashes

    return builder.sign(key, hashes.SHA256())


def _private(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _lasts(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_after_utc > now + dt.timedelta(days=_LEFT_DAYS)
