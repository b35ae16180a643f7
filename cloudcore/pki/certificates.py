"""The door to ``cryptography``: keys, certificates and requests as DER and PEM bytes."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloudcore.errors import IdentityError

_BAD = (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature)


@dataclass(frozen=True, slots=True)
class Request:
    """A certificate signing request. ``kind`` is ``ecdsa``, ``rsa`` or another; ``proven``: its signature was made by its key.
    ``key_print`` is the public key (DER), which tells one board's key from another's."""

    kind: str
    bits: int
    proven: bool
    key_print: bytes


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that our CA has signed; it may be out of date."""

    common_name: str
    serial: int
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Validity:
    not_before: datetime
    not_after: datetime


def read_request(der: bytes) -> Request:
    """Raises: IdentityError: not a PKCS#10 request in DER."""
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        return Request(_kind(key), getattr(key, "key_size", 0), request.is_signature_valid, _public_der(key))
    except _BAD as exc:
        raise IdentityError("body: expected a certificate signing request in DER (PKCS#10)") from exc


def create_authority(name: str, serial: int, validity: Validity) -> tuple[bytes, bytes]:
    """A self-signed ECDSA P-256 CA: certificate and private key (SEC1), both DER as KubeEdge keeps them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key.public_key(), serial, validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage(sign=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return der, _private_der(key)


class Signer:
    """A CA that can sign. ``certificate`` and ``secret`` are its certificate and private key in DER.

    Raises:
        IdentityError: the two are not a certificate and its key.
    """

    def __init__(self, certificate: bytes, secret: bytes) -> None:
        self.certificate = certificate
        self.secret = secret
        try:
            self._issuer = x509.load_der_x509_certificate(certificate)
            public = _public_der(self._issuer.public_key())
            key = serialization.load_der_private_key(secret, None)
        except _BAD as exc:
            raise IdentityError("the CA's certificate or key cannot be read: expected DER") from exc
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise IdentityError("the CA's key: expected ECDSA or RSA")
        if _public_der(key.public_key()) != public:
            raise IdentityError("the CA's certificate and key do not belong together")
        self._key = key

    def sign_node(self, request_der: bytes, common_name: str, organization: str, serial: int, validity: Validity) -> bytes:
        """A client certificate (DER) for the key in the request; of the request nothing else is used."""
        key = x509.load_der_x509_csr(request_der).public_key()
        # Node names may be longer than X.509's 64 characters for a common name; TLS libraries do not mind, Kubernetes does the same.
        attributes = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common_name)]
        subject = x509.Name([x509.NameAttribute(oid, value, _validate=len(value) <= 64) for oid, value in attributes])
        return self._leaf(subject, key, serial, validity, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def make_server(self, common_name: str, names: Iterable[str], serial: int, validity: Validity) -> bytes:
        """A fresh key and a server certificate for ``names`` (addresses and DNS names) as one PEM text."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        der = self._leaf(subject, key.public_key(), serial, validity, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)
        certificate = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
        return certificate + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def sign(self, message: bytes) -> bytes:
        """The proof that ``message`` comes from who has the CA's key (SHA-256)."""
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message, ec.ECDSA(hashes.SHA256()))
        return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def read_issued(self, der: bytes) -> Issued:
        """Raises: IdentityError: not a certificate, or not one that this CA has signed."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            self._verify_issued(certificate)
            names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            return Issued(str(names[0].value) if names else "", certificate.serial_number, _not_after(certificate))
        except _BAD as exc:
            raise IdentityError("expected a certificate of this CA") from exc

    def _verify_issued(self, certificate: x509.Certificate) -> None:
        public: Any = self._issuer.public_key()
        digest = certificate.signature_hash_algorithm
        if certificate.issuer != self._issuer.subject or digest is None:
            raise InvalidSignature
        _verify(public, certificate.signature, certificate.tbs_certificate_bytes, digest)

    def _leaf(self, subject: x509.Name, key: Any, serial: int, validity: Validity, use: x509.ObjectIdentifier, names: Any) -> bytes:
        builder = _builder(subject, self._issuer.subject, key, serial, validity)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer_id, critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def signed_by(certificate_der: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` over ``message`` (SHA-256) was made by the key of the certificate."""
    try:
        _verify(x509.load_der_x509_certificate(certificate_der).public_key(), signature, message, hashes.SHA256())
        return True
    except _BAD:
        return False


def _verify(public: Any, signature: bytes, message: bytes, digest: hashes.HashAlgorithm) -> None:
    if isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(signature, message, ec.ECDSA(digest))
    elif isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, message, padding.PKCS1v15(), digest)
    else:
        raise UnsupportedAlgorithm("neither ECDSA nor RSA")


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, serial: int, validity: Validity) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    """A CA signs certificates, a leaf proves who it is (and agrees on keys with older TLS)."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not sign,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _kind(key: Any) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ecdsa" if key.curve.name in ("secp256r1", "secp384r1", "secp521r1") else key.curve.name
    return "rsa" if isinstance(key, rsa.RSAPublicKey) else type(key).__name__


def _public_der(key: Any) -> bytes:
    der: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der


def _private_der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def _not_after(certificate: x509.Certificate) -> datetime:
    """With its time zone in every version of the library (before 42 the value had none)."""
    aware: datetime | None = getattr(certificate, "not_valid_after_utc", None)
    return aware if aware is not None else certificate.not_valid_after.replace(tzinfo=UTC)
