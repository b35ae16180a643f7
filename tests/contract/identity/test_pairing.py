"""A board that shows a code, and a site where it is typed: the board's real loop against the cloud's real port (P2.12)."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import io
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cloudcore.cloudhub import pairing
from cloudcore.errors import IdentityError
from cloudcore.pki.commands import token_table
from cloudcore.pki.paircommands import add_pair_parser
from cloudcore.pki.pairings import Pairing
from cloudcore.pki.tls import server_ssl_context
from edgecore.certs.commands import run_join
from edgecore.certs.enrolmentlink import ask_to_pair
from edgecore.certs.jointoken import Endpoint
from edgecore.errors import IdentityError as BoardsIdentityError
from edgecore.pairing.asking import GAVE_UP, JOINED, Asking
from edgecore.pairing.commands import parser, run_pair
from edgecore.pairing.exchange import Exchange, make_code
from edgecore.pairing.site import Site
from tests.contract.identity.conftest import Cloud
from tests.contract.identity.test_join import Board
from viaduct.pairing import Invitation, read_answers, request_body


class Shown:
    """What stands on the board's screen."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.news: list[str] = []

    def show(self, code: str) -> None:
        self.codes.append(code)

    def say(self, text: str) -> None:
        self.news.append(text)


class Stand:
    """A board that asks ``endpoint`` for ``rounds`` rounds; ``between`` is what others do after the first."""

    def __init__(self, folder: Path, endpoint: Endpoint, code: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.board = Board(folder)
        self.board.write()
        self.shown = Shown()
        self.joins: list[tuple[int, str]] = []
        self._endpoint = endpoint
        self._code = code
        self._now = 0.0

    def ask(self, between: Callable[[str], object] = lambda code: None, rounds: int = 2) -> int:
        def sleep(seconds: float) -> None:
            self._now += 100
            if self._now == 100:
                between(self.shown.codes[-1])

        site = Site("", (self._endpoint,))
        return Asking(
            lambda: (site,), self._join, self.shown, self._code, until=rounds * 100 - 1, clock=lambda: self._now, sleep=sleep
        ).run()

    def _join(self, endpoint: Endpoint, invitation: Invitation) -> int:
        flags = argparse.Namespace(
            cloud=str(endpoint),
            token=invitation.token,
            hub_port=invitation.hub_port,
            name=invitation.node or "board-1",
            config=str(self.board.config),
            force=False,
        )
        said = io.StringIO()
        self.joins.append((run_join(flags, said, said), said.getvalue()))
        return self.joins[-1][0]

    def has_joined(self) -> bool:
        return (self.board.root / "certs/edge.crt").exists()


def expect(cloud: Cloud, code: str, *, node: str = "", ttl_s: int = 900) -> Pairing:
    """What ``cloudcore pair`` does, and CloudCore hears of."""

    async def lay() -> Pairing:
        laid = await cloud.identity.expected.lay(code, ttl_s, node=node, now=cloud.now())
        await cloud.identity.expected.refresh(now=cloud.now())
        return laid

    return cloud.do(lay())


def still_expected(cloud: Cloud) -> list[Pairing]:
    cloud.do(cloud.identity.expected.refresh(now=cloud.now()))
    return cloud.identity.expected.waiting(cloud.now())


@pytest.fixture
def stand(cloud: Cloud, tmp_path: Path) -> Stand:
    return Stand(tmp_path / "board", cloud.endpoint)


@pytest.fixture
def other() -> Iterator[Cloud]:
    running = Cloud()
    yield running
    running.close()


def test_a_board_joins_where_its_code_is_typed_and_the_code_is_gone(cloud: Cloud, stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    laid: list[Pairing] = []
    assert stand.ask(lambda code: laid.append(expect(cloud, code, node="shed"))) == JOINED
    modules = stand.board.read().modules
    assert (modules.edged.hostname_override, modules.edgehub.websocket.server) == ("shed", "127.0.0.1:10000")
    assert still_expected(cloud) == [] and cloud.kube.objects["secrets", "kubeedge", "bramble-pairings"]["data"] == {}
    assert "one-time for shed  used by shed" in token_table(cloud.do(cloud.identity.tokens.list()), time.time())
    for secret in (laid[0].token, laid[0].token.split(".")[-1], laid[0].code):
        assert secret not in caplog.text + repr(laid) + "".join(stand.shown.news)


def test_where_no_name_was_given_the_boards_own_counts(cloud: Cloud, stand: Stand) -> None:
    assert stand.ask(lambda code: expect(cloud, code)) == JOINED
    assert stand.board.read().modules.edged.hostname_override == "board-1"


def test_another_code_lets_nobody_in(cloud: Cloud, stand: Stand) -> None:
    assert stand.ask(lambda code: expect(cloud, make_code()), rounds=3) == GAVE_UP
    assert not stand.has_joined() and stand.joins == []
    assert len(still_expected(cloud)) == 1


def test_of_several_boards_each_gets_its_own_token(cloud: Cloud, stand: Stand) -> None:
    def type_all(code: str) -> None:
        for node, its_code in (("a", make_code()), ("b", code), ("c", make_code())):
            expect(cloud, its_code, node=node)

    assert stand.ask(type_all) == JOINED
    assert stand.board.read().modules.edged.hostname_override == "b"
    assert sorted(one.node for one in still_expected(cloud)) == ["a", "c"]


def test_a_code_that_is_over_lets_nobody_in_and_does_not_stay(cloud: Cloud, stand: Stand) -> None:
    def type_and_wait(code: str) -> None:
        expect(cloud, code, ttl_s=60)
        cloud.shift_s = 61

    assert stand.ask(type_and_wait) == GAVE_UP
    assert stand.joins == [] and still_expected(cloud) == []
    assert cloud.kube.objects["secrets", "kubeedge", "bramble-pairings"]["data"] == {}


def test_a_code_lets_one_board_in_once(cloud: Cloud, tmp_path: Path) -> None:
    code = make_code()
    first, second = (Stand(tmp_path / name, cloud.endpoint, code) for name in ("first", "second"))
    laid = expect(cloud, code)
    assert first.ask() == JOINED
    cloud.identity.expected._known = [laid]  # a CloudCore that has not heard yet that the token is used
    second.board.config.write_text(second.board.config.read_text() + "  edged:\n    hostnameOverride: other\n")
    assert second.ask() == GAVE_UP
    assert "for one use only, and node board-1 has used it" in second.joins[0][1]
    assert still_expected(cloud) == []
    assert Stand(tmp_path / "third", cloud.endpoint, code).ask() == GAVE_UP


def test_a_token_that_is_deleted_takes_its_code_along(cloud: Cloud, stand: Stand) -> None:
    def type_and_think_again(code: str) -> None:
        cloud.do(cloud.identity.tokens.delete(expect(cloud, code).token_id))
        assert still_expected(cloud) == []

    assert stand.ask(type_and_think_again) == GAVE_UP


def test_a_token_for_a_name_is_good_for_no_other(cloud: Cloud) -> None:
    laid = expect(cloud, make_code(), node="shed")
    with pytest.raises(IdentityError, match="token: made for node shed, not for thief"):
        cloud.do(cloud.identity.tokens.admit(laid.token.partition(".")[2], node="thief", public_key=b"k", now=cloud.now()))


def test_a_code_typed_twice_counts_as_it_was_typed_last(cloud: Cloud, stand: Stand) -> None:
    assert stand.ask(lambda code: [expect(cloud, code, node=node) for node in ("first", "second")]) == JOINED
    assert stand.board.read().modules.edged.hostname_override == "second"


def test_no_more_boards_are_expected_at_once_than_are_answered_for(cloud: Cloud) -> None:
    for _ in range(16):
        expect(cloud, make_code())
    tokens = len(cloud.do(cloud.identity.tokens.list()))
    with pytest.raises(IdentityError, match="16 boards are expected already, which is the most"):
        expect(cloud, make_code())
    assert len(cloud.do(cloud.identity.tokens.list())) == tokens == 16


class Between(HTTPServer):
    """Somebody between board and site, with a CA of his own, who passes on what is said."""

    def __init__(self, own: Cloud, real: Endpoint) -> None:
        heard = self.heard = []  # type: list[bytes]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(own.identity.authority.certificate)

            def do_POST(self) -> None:
                answer = ask_to_pair(real, self.rfile.read(int(self.headers["Content-Length"])))
                heard.append(answer)
                self._answer(answer)

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        context = server_ssl_context(own.identity.authority, [], client_required=False, now=own.now())
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def test_who_stands_between_and_passes_all_on_learns_no_token_and_gets_no_board(cloud: Cloud, other: Cloud, tmp_path: Path) -> None:
    between = Between(other, cloud.endpoint)
    try:
        stand = Stand(tmp_path / "board", Endpoint("127.0.0.1", between.server_port))
        assert stand.ask(lambda code: expect(cloud, code)) == GAVE_UP
        assert "not the one that the token was made for" in stand.joins[0][1] and not stand.has_joined()
        sealed = [answer for body in between.heard for answer in read_answers(body)]
        assert sealed and all(Exchange(make_code()).open(answer) is None for answer in sealed)
    finally:
        between.shutdown()
        between.server_close()


def test_who_stands_between_and_guesses_gets_no_board(other: Cloud, tmp_path: Path) -> None:
    """Another site with codes of its own is the same to the board."""
    stand = Stand(tmp_path / "board", other.endpoint)
    for _ in range(3):
        expect(other, make_code())
    assert stand.ask(rounds=3) == GAVE_UP
    assert stand.joins == [] and not stand.has_joined()


def test_an_answer_opens_for_its_own_question_alone(cloud: Cloud) -> None:
    code = make_code()
    expect(cloud, code)
    first, second = Exchange(code), Exchange(code)
    (answer,) = read_answers(ask_to_pair(cloud.endpoint, request_body(first.message)))
    assert second.open(answer) is None
    assert json.loads(first.open(answer) or b"{}")["hubPort"] == 10000


def test_a_board_takes_another_code_after_its_time_or_after_too_many_wrong_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nonsense = json.dumps({"answers": [{"message": "Q" + "g" + "A" * 42, "sealed": "AAAA"}] * 16}).encode()
    monkeypatch.setattr("edgecore.pairing.asking.ask_to_pair", lambda *_: nonsense)
    stand = Stand(tmp_path / "a", Endpoint("127.0.0.1", 1))
    assert stand.ask(rounds=10) == GAVE_UP
    assert len(set(stand.shown.codes)) == len(stand.shown.codes) == 2  # after 900 s
    monkeypatch.setattr("edgecore.pairing.course.CODE_LIFE_S", float("inf"))
    monkeypatch.setattr("edgecore.pairing.course.WRONG_LIMIT", 48)
    stand = Stand(tmp_path / "b", Endpoint("127.0.0.1", 1))
    stand.ask(rounds=5)
    assert len(set(stand.shown.codes)) == 2


def post(cloud: Cloud, body: bytes) -> tuple[int, str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=cloud.identity.authority.certificate)
    with closing(http.client.HTTPSConnection("127.0.0.1", cloud.endpoint.port, timeout=20, context=context)) as connection:
        connection.request("POST", "/pair", body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


NO_POINT = b"A" + b"\x02" + bytes(31)
SMALL_ORDER = b"A" + bytes(32)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "body: expected JSON\n"),
        (b"\xff" * 100, 400, "body: expected JSON\n"),
        (b"[" * 3000, 400, "body: expected JSON\n"),
        (b"{}", 400, "message: expected base64 of at most 33 bytes\n"),
        (request_body(b"B" + bytes(32)), 400, "message: expected base64 of 33 bytes, the first of them 'A'\n"),
        (request_body(NO_POINT), 400, "message: not one of a pairing\n"),
        (request_body(SMALL_ORDER), 400, "message: not one of a pairing\n"),
        (b"x" * 20_000, 413, ""),
    ],
)
def test_what_is_no_question_is_refused_by_the_field(cloud: Cloud, body: bytes, status: int, said: str) -> None:
    expect(cloud, make_code())
    writes = cloud.kube.writes
    answered, text = post(cloud, body)
    assert (answered, said in text) == (status, True)
    assert cloud.kube.writes == writes


def test_a_question_that_does_not_arrive_is_given_up(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "BODY_TIME_S", 0.1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=cloud.identity.authority.certificate)
    with (
        socket.create_connection(("127.0.0.1", cloud.endpoint.port), 5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as half,
    ):
        half.sendall(b"POST /pair HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert half.recv(4096).startswith(b"HTTP/1.1 408 ")
    assert post(cloud, request_body(Exchange(make_code()).message))[0] == 200


def test_an_address_that_asks_too_often_is_told_to_wait(cloud: Cloud) -> None:
    body = request_body(Exchange(make_code()).message)
    answered = [post(cloud, body)[0] for _ in range(61)]
    assert answered == [200] * 60 + [429]


def test_more_questions_at_once_than_may_stand_in_line_are_put_off(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "IN_LINE_LIMIT", 0)
    assert post(cloud, request_body(Exchange(make_code()).message)) == (503, "too many boards ask at once\n")


def test_a_cloud_that_cannot_read_its_list_goes_on_with_the_one_it_has_and_reads_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairing, "_TRY_AGAIN_S", 0.5)
    code = make_code()

    async def run() -> list[int]:
        changed, seen = asyncio.Event(), []
        task = asyncio.create_task(pairing.keep_the_list(cloud.identity.expected, changed, cloud.now))
        await asyncio.sleep(0.02)
        cloud.kube.broken = True
        changed.set()
        await asyncio.sleep(0.02)
        seen.append(len(cloud.identity.expected.waiting(cloud.now())))
        cloud.kube.broken = False
        await cloud.identity.expected.lay(code, 900, node="", now=cloud.now())
        async with asyncio.timeout(5):
            while not cloud.identity.expected.waiting(cloud.now()):
                await asyncio.sleep(0.01)
        task.cancel()
        return seen

    assert cloud.do(run()) == [0]
    assert [one.code for one in cloud.identity.expected.waiting(cloud.now())] == [code]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\xff", "answers nonsense: body: expected JSON"),
        (b'{"answers": 1}', "answers nonsense: answers: expected a list of at most 16"),
    ],
)
def test_a_site_that_answers_nonsense_is_named_once(stand: Stand, monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str) -> None:
    monkeypatch.setattr("edgecore.pairing.asking.ask_to_pair", lambda *_: answer)
    assert stand.ask(rounds=4) == GAVE_UP
    assert len(stand.shown.news) == 1 and said in stand.shown.news[0]


def test_a_cloud_that_does_not_pair_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.contract.identity.conftest.PairingDesk", lambda *_: None)
    kubeedge = Cloud()
    try:
        with pytest.raises(BoardsIdentityError, match=r"does not pair \(KubeEdge, or an older CloudCore\): join with a token"):
            ask_to_pair(kubeedge.endpoint, request_body(Exchange(make_code()).message))
    finally:
        kubeedge.close()


def test_the_commands_of_board_and_site_meet(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``edgecore pair`` in one terminal, ``cloudcore pair`` in another."""
    monkeypatch.setattr("edgecore.pairing.course._FIRST_PAUSE_S", 0.05)
    board = Board(tmp_path)
    board.write()
    out, err = io.StringIO(), io.StringIO()
    flags = parser().parse_args(["--cloud", str(cloud.endpoint), "--config", str(board.config), "--timeout", "60s", "--name", "board-7"])
    ended: list[int] = []
    asking = threading.Thread(target=lambda: ended.append(run_pair(flags, out, err)))
    asking.start()
    while "pairing code: " not in out.getvalue():
        time.sleep(0.01)
    code = out.getvalue().split("pairing code: ")[1][:9]
    typed = argparse.ArgumentParser()
    add_pair_parser(typed.add_subparsers())
    args = typed.parse_args(["pair", code.lower()])
    said = cloud.do(args.run(args, cloud.kube))
    cloud.do(cloud.identity.expected.refresh(now=cloud.now()))
    asking.join(60)
    assert (ended, err.getvalue()) == ([0], "")
    assert f"the board that shows {code} is expected until " in said
    assert "node board-7 joined 127.0.0.1:10000\n" in out.getvalue()


def test_a_board_that_has_joined_is_not_paired_without_force(cloud: Cloud, stand: Stand) -> None:
    assert stand.ask(lambda code: expect(cloud, code)) == JOINED
    said = io.StringIO()
    flags = parser().parse_args(["--cloud", str(cloud.endpoint), "--config", str(stand.board.config)])
    assert run_pair(flags, said, said) == 2
    assert "this board has joined a cloud already; --force replaces its identity" in said.getvalue()
