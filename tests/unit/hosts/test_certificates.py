"""Certificates: of the authority of one testbed, for the names of one host, kept from others."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from harness.hosts import certificates


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_each_host_can_prove_who_it_is(tmp_path: Path) -> None:
    certificates.make(tmp_path, {"h1": "10.98.0.1", "h2": "10.98.0.2"})
    for name in ("h1", "h2"):
        files = {path.name for path in (tmp_path / name).iterdir()}
        keys = {"server-key.pem", "client-key.pem"}
        assert files == {"ca-cert.pem", "server-cert.pem", "client-cert.pem", *keys}
        certificate = read(tmp_path / name / "server-cert.pem")
        certificate.verify_directly_issued_by(read(tmp_path / name / "ca-cert.pem"))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [name]
    assert read(tmp_path / "h1/ca-cert.pem") == read(tmp_path / "h2/ca-cert.pem")


def test_another_testbed_has_another_authority(tmp_path: Path) -> None:
    for testbed in ("a", "b"):
        certificates.make(tmp_path / testbed, {"h1": "10.98.0.1"})
    assert read(tmp_path / "a/h1/ca-cert.pem") != read(tmp_path / "b/h1/ca-cert.pem")


def test_keys_are_for_the_owner_only(tmp_path: Path) -> None:
    certificates.make(tmp_path, {"h1": "10.98.0.1"})
    for key in tmp_path.glob("h1/*-key.pem"):
        assert key.stat().st_mode & 0o077 == 0
