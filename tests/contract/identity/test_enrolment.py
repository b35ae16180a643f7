"""Enrolment and renewal from end to end, with the edge's real client against the cloud's real port."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cloudcore.cloudhub import enrolment
from edgecore.certs import enrol as enrolling
from edgecore.certs import keys
from edgecore.certs.clock import SignedClock, last_signed
from edgecore.certs.enrolmentlink import fetch_ca, request_certificate
from edgecore.certs.files import IdentityFiles, belong_together, stored_identity
from edgecore.certs.jointoken import Endpoint
from edgecore.errors import IdentityError
from tests.contract.identity.conftest import Cloud


def ask(cloud: Cloud, body: bytes, headers: dict[str, str], shown: IdentityFiles | None = None) -> bytes:
    ca_pem = keys.to_pem(cloud.identity.authority.certificate)
    return request_certificate(cloud.endpoint, ca_pem, body, headers, now=time.time(), shown=shown)


def bearer(cloud: Cloud, node: str = "edge1") -> dict[str, str]:
    return {"Authorization": f"Bearer {cloud.token().bearer}", "NodeName": node}


@contextmanager
def half_sent(cloud: Cloud) -> Iterator[ssl.SSLSocket]:
    """A connection on which a request was begun whose body does not come."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=cloud.identity.authority.certificate)
    with (
        socket.create_connection(("127.0.0.1", cloud.endpoint.port), 5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as half,
    ):
        half.sendall(b"GET /edge.crt HTTP/1.1\r\nHost: x\r\nNodeName: edge1\r\nContent-Length: 100\r\n\r\nabc")
        yield half


def test_a_token_gives_a_node_its_certificate(cloud: Cloud, files: IdentityFiles) -> None:
    identity = enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
    assert identity.node == "edge1"
    assert identity.authority == cloud.identity.authority.pin
    assert 364 * 86_400 < identity.not_after - time.time() < 366 * 86_400
    assert identity.not_before < time.time() - 3000
    assert belong_together(files.certificate, files.key)
    assert stored_identity(files) == identity
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert sorted(path.name for path in files.key.parent.iterdir()) == ["edge.crt", "edge.identity.json", "edge.key", "edge.time"]


def test_the_name_in_the_request_is_not_believed(cloud: Cloud) -> None:
    certificate = keys.to_pem(ask(cloud, keys.make_candidate("admin").request, bearer(cloud, "edge1")))
    assert keys.describe(certificate, keys.to_pem(cloud.identity.authority.certificate)).node == "edge1"


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_a_node_name_longer_than_a_common_name_usually_is_works(cloud: Cloud, files: IdentityFiles) -> None:
    name = "n" * 63 + ".example"
    assert enrolling.enrol(cloud.endpoint, cloud.token(), name, files).node == name
    assert enrolling.renew(cloud.endpoint, files).node == name


def test_a_one_time_token_is_good_once(cloud: Cloud, files: IdentityFiles) -> None:
    token = cloud.token(one_time=True)
    enrolling.enrol(cloud.endpoint, token, "edge1", files)
    with pytest.raises(IdentityError, match=r"refused \(401\): token: for one use only, and node edge1 has used it"):
        enrolling.enrol(cloud.endpoint, token, "edge2", files)
    with pytest.raises(IdentityError, match="for one use only"):
        enrolling.enrol(cloud.endpoint, token, "edge1", files)


def test_a_one_time_token_whose_answer_was_lost_is_good_again_for_the_same_key(cloud: Cloud) -> None:
    headers = {"Authorization": f"Bearer {cloud.token(one_time=True).bearer}", "NodeName": "edge1"}
    request = keys.make_candidate("edge1").request
    assert ask(cloud, request, headers)
    assert ask(cloud, request, headers)


def test_a_request_that_is_not_good_does_not_spend_a_one_time_token(cloud: Cloud, files: IdentityFiles) -> None:
    token = cloud.token(one_time=True)
    headers = {"Authorization": f"Bearer {token.bearer}", "NodeName": "edge1"}
    with pytest.raises(IdentityError, match="400"):
        ask(cloud, b"garbage", headers)
    assert enrolling.enrol(cloud.endpoint, token, "edge1", files).node == "edge1"


def test_an_expired_token_is_refused(cloud: Cloud, files: IdentityFiles) -> None:
    token = cloud.token(ttl_s=60)
    cloud.shift_s = 3700
    with pytest.raises(IdentityError, match=r"401.*token: expired 1 h 0 min ago; make another with: cloudcore token create"):
        enrolling.enrol(cloud.endpoint, token, "edge1", files)
    assert not files.exist()


def test_a_deleted_token_is_refused(cloud: Cloud, files: IdentityFiles) -> None:
    token = cloud.token()
    (record,) = cloud.do(cloud.identity.tokens.list())
    assert cloud.do(cloud.identity.tokens.delete(record.id))
    with pytest.raises(IdentityError, match=r"401.*deleted"):
        enrolling.enrol(cloud.endpoint, token, "edge1", files)


def test_a_token_of_another_cluster_sends_nothing_to_this_one(cloud: Cloud, files: IdentityFiles) -> None:
    token = replace(cloud.token(), pin="0" * 64)
    with pytest.raises(IdentityError, match="is not the one that the token was made for"):
        enrolling.enrol(cloud.endpoint, token, "edge1", files)
    assert not files.exist()
    assert not files.ca.exists()


def test_a_bearer_that_somebody_else_signed_is_refused(cloud: Cloud, files: IdentityFiles) -> None:
    head, payload, signature = cloud.token().bearer.split(".")
    forged = replace(cloud.token(), bearer=f"{head}.{payload}.{'A' * len(signature)}")
    with pytest.raises(IdentityError, match=r"401.*token: not one of this cluster"):
        enrolling.enrol(cloud.endpoint, forged, "edge1", files)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"garbage", r"400.*body: expected a certificate signing request"),
        (b"", r"400.*body: expected a certificate signing request"),
        (b"\x30\x82\xff\xff" + b"\x00" * 100, r"400.*body: expected a certificate signing request"),
        (b"x" * (enrolment.BODY_LIMIT + 1), r"413"),
    ],
)
def test_a_body_that_is_no_request_is_refused(cloud: Cloud, body: bytes, text: str) -> None:
    with pytest.raises(IdentityError, match=text):
        ask(cloud, body, bearer(cloud))


def test_a_request_changed_on_the_way_is_refused(cloud: Cloud) -> None:
    request = bytearray(keys.make_candidate("edge1").request)
    request[-5] ^= 1
    with pytest.raises(IdentityError, match=r"400.*body: "):
        ask(cloud, bytes(request), bearer(cloud))


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"NodeName": "edge1"}, "401.*header Authorization: expected 'Bearer <token>'"),
        ({"NodeName": "edge1", "Authorization": "Basic abc"}, "401.*header Authorization"),
        ({"NodeName": "edge1", "Authorization": "Bearer x.y.z"}, "401.*token: not one of this cluster"),
        ({"NodeName": "edge1", "Authorization": "Bearer \xff\xfe"}, "401.*token: not one of this cluster"),
        ({"Authorization": "Bearer x.y.z"}, "400.*header NodeName: missing"),
        ({"NodeName": "../../etc", "Authorization": "Bearer x"}, "400.*header NodeName"),
        ({"NodeName": "n" * 254, "Authorization": "Bearer x"}, "400.*header NodeName"),
        ({"NodeName": "edge1", "Bramble-Certificate": "%%%"}, "401.*header Bramble-Certificate: expected base64"),
        ({"NodeName": "edge1", "Bramble-Certificate": "AAAA"}, "401.*header Bramble-Certificate: expected a certificate of this CA"),
    ],
)
def test_bad_headers_are_refused_by_name(cloud: Cloud, headers: dict[str, str], text: str) -> None:
    with pytest.raises(IdentityError, match=text.replace("401.*", r"\(401\): ").replace("400.*", r"\(400\): ")):
        ask(cloud, keys.make_candidate("edge1").request, headers)


def test_an_address_that_fails_too_often_waits(cloud: Cloud) -> None:
    request = keys.make_candidate("edge1").request
    for _ in range(20):
        with pytest.raises(IdentityError, match="401"):
            ask(cloud, request, {"NodeName": "edge1", "Authorization": "Bearer a.b.c"})
    with pytest.raises(IdentityError, match="429"):
        ask(cloud, request, bearer(cloud))
    cloud.shift_s = 61
    assert ask(cloud, request, bearer(cloud))


def test_the_api_being_away_is_said_and_spends_nothing(cloud: Cloud, files: IdentityFiles) -> None:
    token = cloud.token(one_time=True)
    cloud.kube.broken = True
    with pytest.raises(IdentityError, match=r"503.*Kubernetes API does not answer"):
        enrolling.enrol(cloud.endpoint, token, "edge1", files)
    cloud.kube.broken = False
    assert enrolling.enrol(cloud.endpoint, token, "edge1", files).node == "edge1"


def test_a_certificate_is_renewed_by_tls_alone(cloud: Cloud, files: IdentityFiles) -> None:
    enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
    assert ask(cloud, keys.make_candidate("edge1").request, {"NodeName": "edge1"}, shown=files)


def test_the_certificate_of_another_node_is_refused(cloud: Cloud, files: IdentityFiles) -> None:
    enrolling.enrol(cloud.endpoint, cloud.token(), "edge2", files)
    with pytest.raises(IdentityError, match=r"403.*the certificate shown is that of 'system:node:edge2', not of node edge1"):
        ask(cloud, keys.make_candidate("edge1").request, {"NodeName": "edge1"}, shown=files)


def test_renewal_replaces_key_and_certificate(cloud: Cloud, files: IdentityFiles) -> None:
    first = enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
    key = files.key.read_bytes()
    second = enrolling.renew(cloud.endpoint, files)
    assert (second.node, second.authority) == (first.node, first.authority)
    assert second.serial != first.serial
    assert files.key.read_bytes() != key
    assert belong_together(files.certificate, files.key)


def test_a_certificate_that_ran_out_is_renewed_by_proof_of_its_key(files: IdentityFiles) -> None:
    cloud = Cloud(lifetime=timedelta(seconds=-60))
    try:
        assert enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files).not_after < time.time()
        assert enrolling.renew(cloud.endpoint, files).node == "edge1"
    finally:
        cloud.close()


def test_a_certificate_without_its_key_renews_nothing(cloud: Cloud, files: IdentityFiles) -> None:
    enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
    request, strange = keys.make_candidate("edge1").request, keys.make_candidate("edge1")
    headers = {
        "NodeName": "edge1",
        "Bramble-Certificate": base64.b64encode(keys.to_der(files.certificate.read_bytes())).decode(),
        "Bramble-Proof": base64.b64encode(keys.sign(strange.key_pem, request)).decode(),
    }
    with pytest.raises(IdentityError, match=r"401.*header Bramble-Proof: not a signature of that certificate's key"):
        ask(cloud, request, headers)


def test_a_revoked_node_is_not_renewed_but_may_join_again(cloud: Cloud, files: IdentityFiles) -> None:
    old = enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
    cloud.do(cloud.identity.revocations.revoke("edge1", now=cloud.now()))
    assert cloud.identity.revocations.is_revoked("edge1", int(old.serial))
    with pytest.raises(IdentityError, match=r"403.*was revoked; node edge1 needs a join token"):
        enrolling.renew(cloud.endpoint, files)
    again = enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
    assert not cloud.identity.revocations.is_revoked("edge1", int(again.serial))
    assert enrolling.renew(cloud.endpoint, files)


def test_a_token_older_than_the_revocation_brings_no_node_back(cloud: Cloud, files: IdentityFiles) -> None:
    """One that lies about, on a stolen board perhaps."""
    old = cloud.token(one_time=True)
    cloud.shift_s = 10
    cloud.do(cloud.identity.revocations.revoke("edge1", now=cloud.now()))
    cloud.shift_s = 20
    with pytest.raises(IdentityError, match=r"401.*token: made before node edge1 was revoked"):
        enrolling.enrol(cloud.endpoint, old, "edge1", files)
    assert enrolling.enrol(cloud.endpoint, old, "edge2", files).node == "edge2"


def test_another_address_of_the_cloud_needs_no_other_certificate(files: IdentityFiles) -> None:
    """The certificate names no 127.9.9.9: what is verified is the CA, the purpose and the name of every CloudCore (P2.9)."""
    cloud = Cloud(host="127.9.9.9")
    try:
        enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
        assert enrolling.renew(cloud.endpoint, files).node == "edge1"
    finally:
        cloud.close()


def test_a_port_where_nobody_listens_is_said(cloud: Cloud) -> None:
    with pytest.raises(IdentityError, match=r"127\.0\.0\.1:1 cannot be reached: Connection refused"):
        fetch_ca(Endpoint("127.0.0.1", 1), "0" * 64)


def test_half_a_request_disturbs_nobody(cloud: Cloud, files: IdentityFiles) -> None:
    with socket.create_connection(("127.0.0.1", cloud.endpoint.port), 5) as silent:
        silent.sendall(b"\x16\x03\x01")
        with half_sent(cloud):
            assert enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files).node == "edge1"


def test_many_who_send_slowly_keep_nobody_from_enrolling(cloud: Cloud, files: IdentityFiles) -> None:
    with ExitStack() as slow:
        for _ in range(enrolment.IN_PROGRESS_LIMIT + 1):
            slow.enter_context(half_sent(cloud))
        assert enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files).node == "edge1"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_accepts_the_chain_and_the_purposes(cloud: Cloud, files: IdentityFiles) -> None:
    enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
    for purpose, good in (("sslclient", True), ("sslserver", False)):
        command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(files.ca), str(files.certificate)]
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        assert (done.returncode == 0) is good, done.stderr


def test_the_facts_beside_the_certificate_are_readable(cloud: Cloud, files: IdentityFiles) -> None:
    enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
    facts = json.loads(files.facts.read_text())
    assert facts["node"] == "edge1"
    files.facts.unlink()
    assert enrolling.describe(files).node == "edge1"
    assert files.facts.exists()


@pytest.mark.parametrize(("now", "word"), [(0.0, "not valid yet"), (4_000_000_000.0, "expired")])
def test_a_cloud_out_of_date_is_said_nothing_but_why(cloud: Cloud, now: float, word: str) -> None:
    with pytest.raises(IdentityError, match=rf"is {word} \(the time is taken to be .*: is this board's clock right\?\)"):
        request_certificate(cloud.endpoint, keys.to_pem(cloud.identity.authority.certificate), b"", {}, now=now)


@pytest.mark.parametrize("wall", [0.0, 4_000_000_000.0])
def test_a_board_whose_clock_is_wrong_joins_and_renews_by_the_time_that_the_ca_signs(
    cloud: Cloud, files: IdentityFiles, monkeypatch: pytest.MonkeyPatch, wall: float
) -> None:
    monkeypatch.setattr("edgecore.certs.clock.SignedClock.__init__", _a_clock_at(wall))
    enrolling.enrol(cloud.endpoint, cloud.token(), "edge1", files)
    assert abs(last_signed(files.signed_time) - time.time()) < 60
    assert enrolling.renew(cloud.endpoint, files).node == "edge1"


def _a_clock_at(wall: float) -> Callable[..., None]:
    begin = SignedClock.__init__

    def begin_there(self: SignedClock, file: Path) -> None:
        begin(self, file, wall=lambda: wall)

    return begin_there


def test_a_server_of_another_ca_is_not_trusted(cloud: Cloud) -> None:
    other = Cloud()
    try:
        with pytest.raises(IdentityError, match="does not prove itself by the CA of this cluster"):
            request_certificate(cloud.endpoint, keys.to_pem(other.identity.authority.certificate), b"", {}, now=time.time())
    finally:
        other.close()


def test_a_server_without_tls_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=_answer_plainly, args=[listening])
        answering.start()
        with pytest.raises(IdentityError, match="does not speak the TLS that is expected there"):
            fetch_ca(Endpoint("127.0.0.1", listening.getsockname()[1]), "0" * 64)
        answering.join(10)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecore.certs.enrolmentlink.TIME_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(IdentityError, match=r"cannot be reached"):
        fetch_ca(Endpoint("127.0.0.1", listening.getsockname()[1]), "0" * 64)


def test_a_body_that_does_not_arrive_is_given_up(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "BODY_TIME_S", 0.1)
    with half_sent(cloud) as half:
        assert half.recv(4096).startswith(b"HTTP/1.1 408 ")


def _answer_plainly(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.recv(4096)
