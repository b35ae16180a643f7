"""The websocket to the cloud against real TLS on loopback: each way to fail has a text that says what may help."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.certs.clock import SignedClock, write_down
from edgecore.certs.files import IdentityFiles
from edgecore.cloudlink import CloudLink, Identity, Timeouts, connect, greet
from edgecore.edgehub.dialing import Address, Dialing
from edgecore.errors import CloudOutOfDate, IdentityError, LinkError, LinkRefused, NodeOutOfDate
from tests.fakes.fakehub import FakeHub, Papers, make_papers, wait_until
from viaduct.codec import MAX_FRAME_BYTES
from viaduct.handshake import Mode, choose_mode
from viaduct.message import new_message

QUICK = Timeouts(reach=1.0, handshake=2.0, write=2.0)


def _identity(papers: Papers) -> Identity:
    return Identity(papers.ca, papers.node, papers.node_key)


def _dial(
    port: int, identity: Identity, host: str = "127.0.0.1", timeouts: Timeouts = QUICK, *, now: Callable[[], float] = time.time
) -> CloudLink:
    return connect(f"wss://{host}:{port}/project/edge1/events", {"node_id": "edge1", "ConnectionUse": "msg"}, identity, timeouts, now=now)


def _dialing(port: int, papers: Papers, *, host: str = "127.0.0.1", wall: float | None = None, **more: Any) -> Dialing:
    files = IdentityFiles(papers.ca, papers.node, papers.node_key)
    clock = SignedClock(files.signed_time, wall=time.time if wall is None else lambda: wall)
    return Dialing(Address(f"{host}:{port}", "p", "edge1"), files, QUICK, clock=clock, **more)


@pytest.fixture
def link(hub: FakeHub, papers: Papers) -> Iterator[CloudLink]:
    link = _dial(hub.port, _identity(papers))
    wait_until(lambda: hub.connections)
    yield link
    link.close()


class Raw:
    """A TCP port that does with each connection what a test says."""

    def __init__(self, answer: bytes | None) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        kept = []
        try:
            while True:
                connection, _ = self._socket.accept()
                if self._answer is None:
                    kept.append(connection)
                else:
                    connection.sendall(self._answer)
                    connection.close()
        except OSError:
            return

    def close(self) -> None:
        self._socket.close()


def test_the_answer_tells_the_delivery_mode(link: CloudLink) -> None:
    assert choose_mode(link.headers) is Mode.LEDGER


def test_what_nobody_acknowledges_ends_the_link_in_time(link: CloudLink) -> None:
    assert link._channel._tls.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000


def test_what_still_lies_in_the_kernel_is_known(link: CloudLink, hub: FakeHub) -> None:
    transport = hub._sockets[-1]._req.transport
    assert transport is not None
    hub._loop.call_soon_threadsafe(transport.pause_reading)
    writer = threading.Thread(target=link.send_text, args=("x" * 8_000_000,), daemon=True)
    writer.start()
    wait_until(lambda: not link.drained)
    hub._loop.call_soon_threadsafe(transport.resume_reading)
    writer.join(10)
    wait_until(lambda: link.drained)
    link.close()
    assert link.drained


def test_the_other_end_closing_is_an_error_of_the_reader(link: CloudLink, hub: FakeHub) -> None:
    hub.stop()
    with pytest.raises(LinkError, match="closed the connection"):
        link.receive()


def test_closing_wakes_a_reader_that_waits(link: CloudLink) -> None:
    woken = threading.Event()

    def read() -> None:
        with pytest.raises(LinkError):
            link.receive()
        woken.set()

    threading.Thread(target=read, daemon=True).start()
    time.sleep(0.05)  # so that it is more likely to wait already; the claim holds either way
    link.close()
    assert woken.wait(3)
    with pytest.raises(LinkError):
        link.send_text("late")


def test_reading_and_writing_at_once_mixes_nothing_up(hub: FakeHub, papers: Papers) -> None:
    hub.answer = lambda message: [message]
    link = _dial(hub.port, _identity(papers))
    sent = [new_message(source="s", group="g", operation="update", resource="r", now_ms=1, content="x" * (n % 40_000)) for n in range(400)]

    def write() -> None:
        from viaduct.codec import encode

        for message in sent:
            link.send_text(encode(message))

    writer = threading.Thread(target=write)
    writer.start()
    got = [link.receive() for _ in sent]
    writer.join()
    link.close()
    assert [message.id.encode() in data for message, data in zip(sent, got, strict=True)] == [True] * len(sent)


def test_a_message_beyond_the_cap_is_refused(link: CloudLink, hub: FakeHub) -> None:
    hub.say_text("x" * (MAX_FRAME_BYTES + 1))
    with pytest.raises(LinkError, match="more than"):
        link.receive()


def test_nobody_listening_is_said(papers: Papers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(LinkError, match="cannot be reached: Connection refused"):
        _dial(port, _identity(papers))


def test_a_name_that_is_none_is_said(papers: Papers) -> None:
    with pytest.raises(LinkError, match=r"nowhere\.invalid cannot be resolved"):
        _dial(1, _identity(papers), "nowhere.invalid")


def test_a_refusal_carries_the_hubs_text_and_is_told_apart(papers: Papers) -> None:
    hub = FakeHub(papers, status=403)
    try:
        with pytest.raises(LinkRefused, match="403 this node is not welcome"):
            _dial(hub.port, _identity(papers))
        hub.status = 401
        with pytest.raises(NodeOutOfDate):
            _dial(hub.port, _identity(papers))
        hub.status = 503
        with pytest.raises(LinkError) as raised:
            _dial(hub.port, _identity(papers))
        assert not isinstance(raised.value, LinkRefused)
    finally:
        hub.close()


def test_a_hub_of_another_ca_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    others = make_papers(tmp_path)
    with pytest.raises(LinkError, match="CA is not the one"):
        _dial(hub.port, _identity(others))


def test_a_hub_with_another_name_is_refused(tmp_path: Path) -> None:
    papers = make_papers(tmp_path, server_address="192.0.2.7")
    hub = FakeHub(papers)
    try:
        with pytest.raises(LinkError, match=r"not made out to a CloudCore or to 127\.0\.0\.1"):
            _dial(hub.port, _identity(papers))
    finally:
        hub.close()


def test_a_cloudcore_is_known_by_its_name_wherever_it_is(tmp_path: Path) -> None:
    papers = make_papers(tmp_path, server_address="", server_name="cloudcore.bramble")
    hub = FakeHub(papers)
    try:
        _dial(hub.port, _identity(papers)).close()
        _dial(hub.port, _identity(papers), "localhost").close()
    finally:
        hub.close()


def test_a_node_cannot_play_the_hub(tmp_path: Path) -> None:
    """Its certificate is of the right CA, but made out for clients, whatever name it bears."""
    papers = make_papers(tmp_path)
    node = make_papers(tmp_path, server_name="cloudcore.bramble", server_for="client", authority=papers)
    hub = FakeHub(node)
    try:
        with pytest.raises(LinkError, match="it is not that of a server"):
            _dial(hub.port, _identity(papers))
    finally:
        hub.close()


@pytest.mark.parametrize(("now", "word"), [(0.0, "not valid yet"), (4_000_000_000.0, "expired")])
def test_a_hub_out_of_date_by_our_time_is_told_apart(hub: FakeHub, papers: Papers, now: float, word: str) -> None:
    with pytest.raises(CloudOutOfDate, match=rf"{word} \(the time is taken to be .*: is this node's clock right\?\)"):
        _dial(hub.port, _identity(papers), now=lambda: now)
    assert hub.connections == 0


@pytest.mark.parametrize("wall", [0.0, 4_000_000_000.0])
def test_a_board_whose_clock_is_wrong_asks_once_for_a_signed_time_and_connects(hub: FakeHub, papers: Papers, wall: float) -> None:
    asked: list[int] = []

    def ask_time() -> int:
        asked.append(1)
        return int(time.time())

    dialing = _dialing(hub.port, papers, wall=wall, ask_time=ask_time)
    for _ in range(2):
        dialing().close()
    assert len(asked) == 1


def test_a_hub_that_is_out_of_date_by_a_signed_time_is_refused_whatever_the_boards_clock_says(tmp_path: Path) -> None:
    """Somebody has an old key of the hub, passes the true time on, and sets the board's clock back."""
    papers = make_papers(tmp_path)
    hub = FakeHub(papers)
    write_down(tmp_path / "node.time", 4_000_000_000)
    dialing = _dialing(hub.port, papers, ask_time=lambda: 4_000_000_100)
    try:
        for _ in range(2):
            with pytest.raises(CloudOutOfDate, match="expired"):
                dialing()
    finally:
        hub.close()


def test_without_a_signed_time_to_be_had_the_doubt_stays(hub: FakeHub, papers: Papers) -> None:
    def ask_time() -> int:
        raise IdentityError("not signed by the CA")

    with pytest.raises(LinkError, match=r"not valid yet.*asking for a signed time: not signed by the CA"):
        _dialing(hub.port, papers, wall=0.0, ask_time=ask_time)()
    with pytest.raises(CloudOutOfDate):
        _dialing(hub.port, papers, wall=0.0, ask_time=lambda: None)()
    assert hub.connections == 0


def test_a_certificate_that_the_hub_finds_out_of_date_is_renewed_and_the_hub_dialed_again(papers: Papers) -> None:
    hub = FakeHub(papers, status=401)

    def renew() -> None:
        hub.status = 101

    try:
        with pytest.raises(NodeOutOfDate):
            _dialing(hub.port, papers)()
        _dialing(hub.port, papers, renew=renew)().close()
    finally:
        hub.close()


def test_a_renewal_that_fails_is_said_and_is_a_refusal(papers: Papers) -> None:
    hub = FakeHub(papers, status=401)

    def renew() -> None:
        raise IdentityError("the certificate shown was revoked")

    try:
        with pytest.raises(LinkRefused, match="out of date and could not be renewed: the certificate shown was revoked"):
            _dialing(hub.port, papers, renew=renew)()
    finally:
        hub.close()


def test_an_expired_certificate_of_ours_is_hinted_at(tmp_path: Path) -> None:
    papers = make_papers(tmp_path, node_days=(-30, -1))
    hub = FakeHub(papers)
    try:
        with pytest.raises(LinkError, match="expired"):
            _dial(hub.port, _identity(papers))
    finally:
        hub.close()


def test_a_greeting_proves_both_ends_and_opens_no_session(hub: FakeHub, papers: Papers) -> None:
    assert greet("127.0.0.1", hub.port, _identity(papers), QUICK).startswith("TLSv1.")
    assert hub.connections == 0


def test_a_greeting_says_what_is_wrong(hub: FakeHub, papers: Papers, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="its CA is not the one that this node joined"):
        greet("127.0.0.1", hub.port, _identity(make_papers(tmp_path)), QUICK)
    with pytest.raises(CloudOutOfDate, match="is this node's clock right"):
        greet("127.0.0.1", hub.port, _identity(papers), QUICK, now=lambda: 0.0)


def test_a_node_that_the_hub_does_not_take_is_told_after_the_handshake(tmp_path: Path) -> None:
    """With TLS 1.3 the client's handshake is over before the server has looked at the client's certificate."""
    (tmp_path / "expired").mkdir()
    papers = make_papers(tmp_path)
    expired = make_papers(tmp_path / "expired", node_days=(-9, -1), authority=papers)
    hub = FakeHub(papers)
    try:
        with pytest.raises(LinkError, match=r"refused this node's certificate|ended the connection"):
            greet("127.0.0.1", hub.port, _identity(expired), QUICK)
    finally:
        hub.close()


def test_missing_and_broken_files_are_named(hub: FakeHub, papers: Papers, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"none\.pem is missing.*edgecore join"):
        _dial(hub.port, Identity(papers.ca, tmp_path / "none.pem", papers.node_key))
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nnothing\n")
    with pytest.raises(LinkError, match="certificate files cannot be used"):
        _dial(hub.port, Identity(papers.ca, tmp_path / "broken.pem", papers.node_key))


@pytest.mark.parametrize(("answer", "text"), [(b"HTTP/1.1 200 OK\r\n\r\n", "TLS with"), (b"\x00" * 40, "TLS with"), (b"", "TLS with")])
def test_what_speaks_no_tls_is_said(papers: Papers, answer: bytes, text: str) -> None:
    raw = Raw(answer)
    try:
        with pytest.raises(LinkError, match=text):
            _dial(raw.port, _identity(papers))
    finally:
        raw.close()


def test_a_silent_port_is_given_up_in_time(papers: Papers) -> None:
    raw = Raw(None)
    began = time.monotonic()
    try:
        with pytest.raises(LinkError, match="TLS handshake in time"):
            _dial(raw.port, _identity(papers), timeouts=Timeouts(reach=1.0, handshake=0.3, write=2.0))
        assert time.monotonic() - began < 4
    finally:
        raw.close()


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/", "http://127.0.0.1:1/", "127.0.0.1:1", ""])
def test_only_wss_is_dialed(papers: Papers, url: str) -> None:
    with pytest.raises(LinkError, match="not a wss://"):
        connect(url, {}, _identity(papers))


def test_the_link_is_found_again_when_the_hub_starts_late(papers: Papers, hub: FakeHub) -> None:
    hub.stop()
    with pytest.raises(LinkError):
        _dial(hub.port, _identity(papers))
    hub.start()
    link = wait_until(lambda: _dial(hub.port, _identity(papers)))
    link.close()


def test_most_attempts_go_to_the_address_of_the_last_link_without_asking_for_it(
    papers: Papers, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def counted(host: str, *arguments: Any, **named: Any) -> Any:
        asked.append(host)
        return resolve("127.0.0.1" if host == "cloud.test" else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    hub.stop()
    dialing = _dialing(hub.port, papers, host="cloud.test")
    dialing._known, dialing._failures = "127.0.0.1", 1
    for _ in range(8):
        with pytest.raises(LinkError):
            dialing()
    assert asked.count("cloud.test") == 1
