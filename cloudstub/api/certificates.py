"""The server's own CA and certificates: made once, kept in the data directory, made anew when they run out or the names change."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloudstub.errors import ConfigError

CA_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
# Boards without a clock battery may live in the past for a while.
BACKDATED = timedelta(days=1)
_FILES = ("ca.crt", "ca.key", "server.crt", "server.key", "kubelet-client.crt", "kubelet-client.key")


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the parts lie."""

    ca: Path
    ca_key: Path
    server: Path
    server_key: Path
    kubelet_client: Path
    kubelet_client_key: Path
    """What this server shows to kubelets."""


def ensure(directory: Path, names: Sequence[str], *, now: datetime) -> CertificateFiles:
    """Make what is missing, has (almost) run out or lacks one of ``names`` (host names and addresses).

    Raises:
        ConfigError: what lies there cannot be read.
    """
    files = CertificateFiles(*(directory / n for n in _FILES))
    try:
        if not files.ca.exists() or not files.ca_key.exists():
            _write_pair(files.ca, files.ca_key, *_make_ca(now))
        authority = x509.load_pem_x509_certificate(files.ca.read_bytes())
        key = serialization.load_pem_private_key(files.ca_key.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        if not (_is_good(files.server, files.server_key, authority, now) and _bears(files.server, names)):
            _write_pair(files.server, files.server_key, *_make_server(authority, key, names, now))
        if not _is_good(files.kubelet_client, files.kubelet_client_key, authority, now):
            _write_pair(files.kubelet_client, files.kubelet_client_key, *_make_kubelet_client(authority, key, now))
    except (OSError, ValueError, AssertionError) as exc:
        raise ConfigError(f"certificates in {directory}: {exc}") from exc
    return files


def server_context(files: CertificateFiles) -> ssl.SSLContext:
    """TLS 1.2 or newer; a client certificate is welcome and must then be of our CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.server, files.server_key)
    context.load_verify_locations(files.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _is_good(path: Path, key: Path, authority: x509.Certificate, now: datetime) -> bool:
    if not path.exists() or not key.exists():
        return False
    found = x509.load_pem_x509_certificate(path.read_bytes())
    return found.issuer == authority.subject and _signed_by(found, authority) and found.not_valid_after_utc > now + RENEW_BEFORE


def _bears(path: Path, names: Sequence[str]) -> bool:
    server = x509.load_pem_x509_certificate(path.read_bytes())
    return set(server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) >= set(_alternatives(names))


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:
        return False
    return True


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _make_ca(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"cloudstub-ca@{int(now.timestamp())}")])
    builder = _builder(name, name, key, key, now, CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256()), key


def _make_server(
    authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloudstub")])
    builder = _leaf(name, authority, key, authority_key, now, ExtendedKeyUsageOID.SERVER_AUTH)
    builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
    return builder.sign(authority_key, hashes.SHA256()), key


def _make_kubelet_client(
    authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey, now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    words = ((NameOID.ORGANIZATION_NAME, "system:masters"), (NameOID.COMMON_NAME, "kube-apiserver-kubelet-client"))
    name = x509.Name([x509.NameAttribute(kind, word) for kind, word in words])
    builder = _leaf(name, authority, key, authority_key, now, ExtendedKeyUsageOID.CLIENT_AUTH)
    return builder.sign(authority_key, hashes.SHA256()), key


def _leaf(
    name: x509.Name,
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    use: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    builder = _builder(name, authority.subject, key, authority_key, now, SERVER_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    return builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - BACKDATED).not_valid_after(now + life)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_pair(certificate_path: Path, key_path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    encoding = serialization.Encoding.PEM
    pem = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(key_path, pem, 0o600)
    _write(certificate_path, certificate.public_bytes(encoding), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable for others on the way."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
