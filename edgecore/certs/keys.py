"""The door to ``cryptography`` on the board. Only short-lived processes import it: it costs 12 MB."""

from __future__ import annotations

import calendar
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from edgecore.certs.files import digest_of
from edgecore.certs.identity import NodeIdentity
from edgecore.errors import IdentityError
from viaduct.handshake import NODE_GROUP, NODE_USER_PREFIX, node_of_common_name

_BAD = (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fresh key (PEM, PKCS#8) and the request (DER) for its certificate."""

    key_pem: bytes
    request: bytes


def make_candidate(node: str) -> Candidate:
    """An ECDSA P-256 key and its request with the subject that KubeEdge 1.16 and later ask for."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [(NameOID.ORGANIZATION_NAME, NODE_GROUP), (NameOID.COMMON_NAME, NODE_USER_PREFIX + node)]
    subject = x509.Name([x509.NameAttribute(oid, value, _validate=len(value) <= 64) for oid, value in attributes])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Candidate(pem, request.public_bytes(serialization.Encoding.DER))


def to_pem(certificate_der: bytes) -> bytes:
    """Raises: IdentityError: not a certificate."""
    try:
        return x509.load_der_x509_certificate(certificate_der).public_bytes(serialization.Encoding.PEM)
    except _BAD as exc:
        raise IdentityError("the cloud answered with something that is not a certificate") from exc


def to_der(certificate_pem: bytes) -> bytes:
    """Raises: IdentityError: not a certificate."""
    try:
        return x509.load_pem_x509_certificate(certificate_pem).public_bytes(serialization.Encoding.DER)
    except _BAD as exc:
        raise IdentityError("expected a certificate in PEM") from exc


def describe(certificate_pem: bytes, ca_pem: bytes) -> NodeIdentity:
    """The facts of a node's certificate.

    Raises:
        IdentityError: not a certificate, not one of this CA, or not that of a node.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        ca = x509.load_pem_x509_certificate(ca_pem)
        _check_issuer(certificate, ca)
    except _BAD as exc:
        raise IdentityError("the node's certificate is not one of the CA beside it") from exc
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    node = node_of_common_name(str(names[0].value)) if names else None
    if node is None:
        raise IdentityError("the certificate does not name a node (expected a common name system:node:<name>)")
    return NodeIdentity(
        node,
        _epoch(certificate, "not_valid_before"),
        _epoch(certificate, "not_valid_after"),
        str(certificate.serial_number),
        digest_of(certificate_pem),
        hashlib.sha256(ca.public_bytes(serialization.Encoding.DER)).hexdigest(),
    )


def dates(certificate_pem: bytes) -> tuple[int, int]:
    """From when until when a certificate is good (epoch seconds). Raises: IdentityError: not a certificate."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except _BAD as exc:
        raise IdentityError("expected a certificate in PEM") from exc
    return _epoch(certificate, "not_valid_before"), _epoch(certificate, "not_valid_after")


def sign(key_pem: bytes, message: bytes) -> bytes:
    """The proof that we have a key (SHA-256).

    Raises:
        IdentityError: it cannot be read.
    """
    try:
        key = serialization.load_pem_private_key(key_pem, None)
    except _BAD as exc:
        raise IdentityError("the node's key cannot be read: expected PEM without a passphrase") from exc
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    raise IdentityError("the node's key: expected ECDSA or RSA")


def signed_by(certificate_der: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` over ``message`` (SHA-256) was made by the key of the certificate."""
    try:
        _verify(x509.load_der_x509_certificate(certificate_der).public_key(), signature, message, hashes.SHA256())
    except _BAD:
        return False
    return True


def _verify(public: Any, signature: bytes, message: bytes, digest: hashes.HashAlgorithm) -> None:
    scheme = [ec.ECDSA(digest)] if isinstance(public, ec.EllipticCurvePublicKey) else [padding.PKCS1v15(), digest]
    public.verify(signature, message, *scheme)


def _check_issuer(certificate: x509.Certificate, ca: x509.Certificate) -> None:
    digest = certificate.signature_hash_algorithm
    if digest is None:
        raise InvalidSignature
    _verify(ca.public_key(), certificate.signature, certificate.tbs_certificate_bytes, digest)


def _epoch(certificate: x509.Certificate, name: str) -> int:
    """Epoch seconds in every version of the library (before 42 there were no dates with a time zone; both are UTC)."""
    moment: datetime = getattr(certificate, name + "_utc", None) or getattr(certificate, name)
    return calendar.timegm(moment.utctimetuple())
