"""Certificates and kubeconfigs of a cluster that lives for one run of the tests."""

from __future__ import annotations

import datetime
import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)
_PEM = serialization.Encoding.PEM


class Papers:
    """A CA in ``folder``, and what it signs. Files are named after whom they are for: NAME.crt and NAME.key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        folder.chmod(0o700)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster-ca")])
        authority = self._builder(self._name, self._key.public_key())
        signed = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(self._key, hashes.SHA256())
        self.ca.write_bytes(signed.public_bytes(_PEM))

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def make_server(self, name: str, addresses: Sequence[str], names: Sequence[str]) -> None:
        entries: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        self._make(name, name, "", [ExtendedKeyUsageOID.SERVER_AUTH], [*entries, *map(x509.DNSName, names)])

    def make_client(self, name: str, user: str, group: str = "") -> None:
        self._make(name, user, group, [ExtendedKeyUsageOID.CLIENT_AUTH], [])

    def make_signing_key(self, name: str) -> None:
        """For tokens of ServiceAccounts: RSA, as all versions take it."""
        _write_key(self.key(name), rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def kubeconfig(self, name: str, server: str) -> Path:
        """Of a client made before."""
        user = {"client-certificate": str(self.certificate(name)), "client-key": str(self.key(name))}
        return self.write_kubeconfig(name, server, user)

    def write_kubeconfig(self, name: str, server: str, user: dict[str, str]) -> Path:
        path = self.folder / f"{name}.kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "cluster",
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": name}}],
            "clusters": [{"name": "cluster", "cluster": {"server": server, "certificate-authority": str(self.ca)}}],
            "users": [{"name": name, "user": user}],
        }
        path.write_text(json.dumps(content, indent=1))
        path.chmod(0o600)
        return path

    def _make(self, name: str, user: str, group: str, usages: list[x509.ObjectIdentifier], others: list[x509.GeneralName]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        subject = x509.Name([*([x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []), *parts])
        builder = self._builder(subject, key.public_key()).add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        self.certificate(name).write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))
        _write_key(self.key(name), key)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        return builder.serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + 7 * _DAY)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path.touch(0o600)
    path.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
