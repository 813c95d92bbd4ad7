"""Certificates with which the hosts of one testbed prove to each other who they are.

An authority of the testbed's own signs one certificate per host; its key is forgotten at once.
File names are QEMU's (tls-creds-x509).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness import clock

AUTHORITY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "domsock testbed")])
DAYS = 30
SKEW = timedelta(days=1)  # hosts' clocks may differ
Key = ec.EllipticCurvePrivateKey


def make(folder: Path, addresses: Mapping[str, str]) -> None:
    """A folder per host in `folder`; `addresses` are the hosts' on the management network."""
    authority = ec.generate_private_key(ec.SECP256R1())
    root = _sign(_builder(AUTHORITY, authority, None), authority)
    for name, address in addresses.items():
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names: list[x509.GeneralName] = [
            x509.DNSName(name),
            x509.IPAddress(ipaddress.ip_address(address)),
        ]
        certificate = _sign(_builder(subject, key, names), authority)
        place = folder / name
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(place / "ca-cert.pem", _pem(root))
        for role in ("server", "client"):
            _write(place / f"{role}-cert.pem", _pem(certificate))
            _write(place / f"{role}-key.pem", _key_pem(key))


def _builder(
    subject: x509.Name, key: Key, names: list[x509.GeneralName] | None
) -> x509.CertificateBuilder:
    """What a certificate says; one without names is the authority's."""
    now, authority = clock.utc(), names is None
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority), critical=True)
    )
    if names is None:
        return made
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return made.add_extension(x509.SubjectAlternativeName(names), critical=False).add_extension(
        x509.ExtendedKeyUsage(uses), critical=False
    )


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, authority: Key) -> x509.Certificate:
    return builder.issuer_name(AUTHORITY).sign(authority, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
