"""Tokens, revocations, requests: the decisions without API, clock or network."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloudcore.errors import IdentityError
from cloudcore.pki import bearer, signing
from cloudcore.pki.certificates import Request, read_request
from cloudcore.pki.revocation import Revocations, read_revocations
from cloudcore.pki.tokens import KEPT_AFTER_EXPIRY_S, TokenRecord, admitted, entered, join_text, parse_ttl, read_register
from tests.unit.cloudcore.pki.made import DAY, NOW, authority


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("366d", 366 * 86_400)]
)
def test_a_time_to_live_is_read(text: str, seconds: int) -> None:
    assert parse_ttl(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "1", "h", "1w", "-1h", "1.5h", "1h ", "367d", "٣h"])
def test_what_is_no_time_to_live_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as"):
        parse_ttl(text)


def test_a_token_is_used_as_the_register_says() -> None:
    data = entered({}, TokenRecord("t1", 0, 100, one_time=True), 0)
    claims = bearer.Claims("t1", 100)
    spent = admitted(data, claims, node="a", key="k", now=5)
    assert read_register(spent)["t1"] == TokenRecord("t1", 0, 100, True, used_by="a", used_at=5, used_key="k")
    assert admitted(spent, claims, node="a", key="k", now=6) == spent
    for node, key in (("b", "k"), ("a", "other")):
        with pytest.raises(IdentityError, match="for one use only, and node a has used it"):
            admitted(spent, claims, node=node, key=key, now=6)
    with pytest.raises(IdentityError, match="expired 0 s ago"):
        admitted(data, claims, node="a", key="k", now=100)


def test_a_damaged_entry_refuses_its_token_and_no_other() -> None:
    times = b'{"id": "times", "created": 1, "expires": null, "one_time": false}'
    damaged = {"bad": b"{", "odd": b'{"id": "other"}', "times": times, "deep": b"[" * 100_000}
    data = entered(damaged, TokenRecord("t1", 0, 100), 0)
    assert list(read_register(data)) == ["t1"]
    with pytest.raises(IdentityError, match="not in the register"):
        admitted(data, bearer.Claims("bad", 100), node="a", key="k", now=1)


def test_tokens_long_over_leave_the_register() -> None:
    data = entered({}, TokenRecord("old", 0, 100), 0)
    assert set(entered(data, TokenRecord("t", 0, 1), 100 + KEPT_AFTER_EXPIRY_S)) == {"old", "t"}
    assert set(entered(data, TokenRecord("t", 0, 1), 101 + KEPT_AFTER_EXPIRY_S)) == {"t"}


def test_the_text_of_a_token_has_the_shape_that_kubeedge_reads() -> None:
    text = join_text(authority().pin, bearer.encode(authority().token_secret, bearer.Claims("t1", 99)))
    pin, header, payload, signature = text.split(".")
    assert pin == hashlib.sha256(authority().certificate).hexdigest()
    assert bearer.decode(authority().token_secret, f"{header}.{payload}.{signature}") == bearer.Claims("t1", 99)


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "....", "é.é.é", "eyJhbGciOiJub25lIn0.eyJleHAiOjk5fQ."])
def test_what_is_no_bearer_of_ours_is_refused(text: str) -> None:
    with pytest.raises(IdentityError, match="not one of this cluster"):
        bearer.decode(authority().token_secret, text)


def test_a_number_tells_when_it_was_given() -> None:
    serial = signing.serial_number(NOW + 0.25, 2**200 - 1)
    assert signing.issued_at(serial) == NOW + 0.25
    assert serial.bit_length() <= 159
    assert serial != signing.serial_number(NOW + 0.25, 1)
    assert signing.issued_at(12345) is None
    assert signing.issued_at(2**158) is None


@pytest.mark.parametrize(
    ("node", "serial", "covered"),
    [
        ("a", signing.serial_number(NOW - 1, 7), True),
        ("a", signing.serial_number(NOW, 7), True),
        ("a", signing.serial_number(NOW + 1, 7), False),
        ("a", 4711, True),
        ("b", signing.serial_number(NOW - 1, 7), False),
    ],
)
def test_revocation_covers_what_was_given_before(node: str, serial: int, covered: bool) -> None:
    assert Revocations({"a": NOW}).cover(node, serial) is covered


@pytest.mark.parametrize("value", [b"", b"x", b"nan", b"inf"])
def test_an_entry_that_cannot_be_read_revokes_for_ever(value: bytes) -> None:
    assert read_revocations({"a": value}).cover("a", signing.serial_number(NOW + 1e9, 7))


@pytest.mark.parametrize("name", ["a", "edge-1", "a.b", "1", "n" * 253])
def test_a_node_name_is_accepted(name: str) -> None:
    signing.check_node_name(name)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a/b", "a b", "a\n", "n" * 254, "é"])
def test_what_is_no_node_name_is_refused(name: str) -> None:
    with pytest.raises(IdentityError, match="header NodeName"):
        signing.check_node_name(name)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (Request("ecdsa", 256, False, b""), "signature does not fit"),
        (Request("rsa", 1024, True, b""), "RSA keys need 2048 bits or more, this one has 1024"),
        (Request("secp256k1", 256, True, b""), "expected an ECDSA"),
        (Request("Ed25519PublicKey", 0, True, b""), "expected an ECDSA"),
    ],
)
def test_a_weak_or_strange_key_is_refused(request_: Request, text: str) -> None:
    with pytest.raises(IdentityError, match=text):
        signing.check_request(request_)


def request_for(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubeedge.io")])
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, digest).public_bytes(serialization.Encoding.DER)


def test_the_kinds_of_keys_are_told_apart() -> None:
    found = [
        read_request(request_for(ec.generate_private_key(ec.SECP256R1()))),
        read_request(request_for(ec.generate_private_key(ec.SECP384R1()))),
        read_request(request_for(ec.generate_private_key(ec.SECP256K1()))),
        read_request(request_for(rsa.generate_private_key(65537, 2048))),
        read_request(request_for(ed25519.Ed25519PrivateKey.generate())),
    ]
    assert [request.kind for request in found[:4]] == ["ecdsa", "ecdsa", "secp256k1", "rsa"]
    assert found[4].kind not in ("ecdsa", "rsa")
    assert all(request.proven for request in found)


def test_a_node_certificate_says_what_the_contract_says() -> None:
    der = authority().sign_node(request_for(ec.generate_private_key(ec.SECP256R1())), "edge1", now=NOW, lifetime=DAY)
    certificate = x509.load_der_x509_certificate(der)
    names = {attribute.oid: attribute.value for attribute in certificate.subject}
    assert names == {NameOID.ORGANIZATION_NAME: "system:nodes", NameOID.COMMON_NAME: "system:node:edge1"}
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    issued = authority().read_issued(der)
    assert (issued.common_name, issued.serial) == ("system:node:edge1", certificate.serial_number)
    assert issued.not_after == datetime.fromtimestamp(NOW, UTC) + timedelta(days=1)


def test_the_ca_is_one_that_kubeedge_reads() -> None:
    certificate = x509.load_der_x509_certificate(authority().certificate)
    assert certificate.subject.rfc4514_string() == "CN=KubeEdge"
    key = serialization.load_der_private_key(authority().token_secret, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert authority().token_secret[:2] == b"\x30\x77"  # SEC1, not PKCS#8
