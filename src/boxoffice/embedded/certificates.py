"""A certificate authority for one machine, and a certificate by it for all hosts: for development only."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY = "boxoffice development"
AUTHORITY_LASTS = timedelta(days=3650)
CERTIFICATE_LASTS = timedelta(days=397)
RENEWED_BEFORE = timedelta(days=30)


class Certificates(NamedTuple):
    """Files: what browsers have to trust, and what nginx shows."""

    authority: Path
    certificate: Path
    key: Path


def certificates(folder: Path, domain: str, names: tuple[str, ...] = ()) -> Certificates:
    """The certificate of `*.domain` and of each of `names`; made if missing, for other names, or soon to expire.

    One by another authority is left as it is, whatever it says and however soon it ends. Ours may sign for this domain
    only: whoever got hold of its key could imitate nobody else.
    """
    found = Certificates(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    wanted = [f"*.{domain}", domain, *(f"{name}.{domain}" for name in names)]
    if not _from_elsewhere(found) and not _serves(found, wanted):
        authority, key = _own_authority(folder, domain)
        own = _key(found.key)
        _write(found.certificate, _certificate(own, authority, key, wanted).public_bytes(Encoding.PEM), 0o644)
    return found


def for_loopback(folder: Path, domain: str) -> Certificates:
    """The certificate of servers of this machine that are called by its own address; by the same authority."""
    found = Certificates(folder / "authority.pem", folder / "loopback.pem", folder / "loopback-key.pem")
    if not _serves(found, [domain]):
        authority, key = _own_authority(folder, domain)
        own = _key(found.key)
        made = _certificate(own, authority, key, [domain], [IPv4Address("127.0.0.1")])
        _write(found.certificate, made.public_bytes(Encoding.PEM), 0o644)
    return found


def _own_authority(folder: Path, domain: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Made anew each time, so it outlasts what it signs; with its old key and name, so what it signed stays valid."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _key(folder / "authority.key")
    authority = _authority(key, domain)
    _write(folder / "authority.pem", authority.public_bytes(Encoding.PEM), 0o644)
    return authority, key


def _from_elsewhere(files: Certificates) -> bool:
    if not (files.certificate.is_file() and files.key.is_file()):
        return False
    names = x509.load_pem_x509_certificate(files.certificate.read_bytes()).issuer.get_attributes_for_oid(
        NameOID.COMMON_NAME
    )
    return not any(str(name.value).startswith(AUTHORITY) for name in names)


def _serves(files: Certificates, wanted: list[str]) -> bool:
    if not all(path.is_file() for path in files):
        return False
    known = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    names = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )
    return set(wanted) <= set(names) and known.not_valid_after_utc > datetime.now(UTC) + RENEWED_BEFORE


def _authority(key: ec.EllipticCurvePrivateKey, domain: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{AUTHORITY} ({domain})")])
    permitted = x509.NameConstraints([x509.DNSName(domain)], None)
    return (
        _signed_by(name, key, name, AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(permitted, critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    own: ec.EllipticCurvePrivateKey, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, names: list[str],
    addresses: Sequence[IPv4Address] = (),
) -> x509.Certificate:  # fmt: skip
    known_as = [*(x509.DNSName(name) for name in names), *(x509.IPAddress(each) for each in addresses)]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    return (
        _signed_by(subject, own, authority.subject, CERTIFICATE_LASTS)
        .add_extension(x509.SubjectAlternativeName(known_as), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _signed_by(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, lasts: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=signs_certificates, crl_sign=signs_certificates, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The private key in this file, made if there is none."""
    if not path.is_file():
        made = ec.generate_private_key(ec.SECP256R1())
        _write(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path.name} must hold an elliptic-curve key")
    return key


def _write(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
