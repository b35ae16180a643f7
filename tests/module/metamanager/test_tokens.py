"""Tokens of service accounts on the board: kept in a real database, and the cloud is asked in time (P5.11, decision 0094)."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import LinkChanged
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import NoAnswer, NotFound
from edgecore.metaclient import MetaClient, Token
from edgecore.metamanager.module import MetaManager, MetaSettings
from edgecore.store import metadata
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from tests.fakes.fakehub import wait_until
from viaduct.message import Message, new_message, reply_to
from viaduct.tokenrequest import TokenRequest, request_content

REQUEST = TokenRequest("web", "u1", "vault", 3600)


def granted(message: Message, token: str, seconds: int = 3600) -> Message:
    content = {"spec": {**message.content["spec"], "expirationSeconds": seconds}, "status": {"token": token}}
    return reply_to(message, content, now_ms=1)


def refused(message: Message, code: int, *, retry: bool) -> Message:
    content = {"code": code, "reason": "the API offers no tokens", "retry": retry}
    return new_message(
        source="cloudhub",
        group="resource",
        operation="error",
        resource=message.route.resource,
        now_ms=1,
        content=content,
        parent_msg_id=message.id,
    )


class Bench:
    """MetaManager, and EdgeHub's mailbox: ``cloud`` answers what comes there, or stays silent (None)."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.asked: list[Message] = []
        self.cloud: Callable[[Message], Message | None] = lambda message: None
        self._start()
        self.keep_pod("u1")

    def restart(self) -> None:
        self._stop()
        self._start()

    def keep_pod(self, uid: str) -> None:
        pod = {"metadata": {"namespace": "default", "name": "web", "uid": uid, "resourceVersion": "5"}}
        self.say("insert", "default/pod/web", pod)
        wait_until(lambda: any(row.uid == uid for row in self.rows("pod")))

    def say(self, operation: str, resource: str, content: Any) -> None:
        message = new_message(source="edgecontroller", group="resource", operation=operation, resource=resource, now_ms=1, content=content)
        assert self.switchboard.send("metaManager", message)

    def connect(self, *, connected: bool = True, ledger: bool = True) -> None:
        assert self.switchboard.send("metaManager", LinkChanged(connected=connected, ledger=ledger))

    def token(self, request: TokenRequest = REQUEST, *, needed: bool = True) -> Token:
        return self.client.token("default", "robot", request, needed=needed, timeout=5.0)

    def rows(self, type_: str = "serviceaccounttoken") -> list[MetaRow]:
        return self.database.read(lambda tx: metadata.load_type(tx, type_))

    def age(self, seconds: float) -> None:
        """The stored tokens are that much older."""

        def work(tx: Any) -> None:
            for row in metadata.load_type(tx, "serviceaccounttoken"):
                value = json.loads(row.value)
                value["wall"] -= seconds
                metadata.save(tx, MetaRow(row.key, row.type, json.dumps(value), row.uid))

        done = threading.Event()
        self.database.write(work, lambda error: done.set())
        assert done.wait(5)

    def close(self) -> None:
        self._stop()
        self.database.close(5)

    def _start(self) -> None:
        self.switchboard = Switchboard()
        self.client = MetaClient(self.switchboard)
        hub = self.switchboard.register("websocket", "hub")
        self._thread = threading.Thread(target=self._answer, args=(hub,), daemon=True)
        self._thread.start()
        self.keeper = Keeper(self.switchboard)
        settings = MetaSettings(query_timeout=0.3)
        self.keeper.keep("metaManager", "meta", lambda: MetaManager(self.switchboard, self.database, settings))
        self.keeper.start()

    def _stop(self) -> None:
        self.keeper.stop(10)
        self.switchboard.close()
        self._thread.join(5)

    def _answer(self, mailbox: Mailbox) -> None:
        while not mailbox.closed:
            letter = mailbox.take(0.1)
            if isinstance(letter, Message) and letter.route.operation == "query":
                self.asked.append(letter)
                answer = self.cloud(letter)
                if answer is not None:
                    self.switchboard.send("metaManager", answer)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "edgecore.db")
    yield made
    made.close()


def test_a_token_is_asked_of_the_cloud_once_and_then_given_from_the_database_also_offline_after_a_start(bench: Bench) -> None:
    bench.cloud = lambda message: granted(message, "T1")
    bench.connect()
    first = bench.token()
    assert (first.text, 0.79 * 3600 < first.fresh <= 0.8 * 3600) == ("T1", True)
    (asked,) = bench.asked
    assert (asked.route.resource, asked.content) == ("default/serviceaccounttoken/robot", request_content(REQUEST))
    assert asked.header.sync
    assert bench.token().text == "T1"
    bench.restart()
    assert bench.token().text == "T1"
    assert len(bench.asked) == 1


def test_each_pod_audience_and_life_has_a_token_of_its_own(bench: Bench) -> None:
    bench.cloud = lambda message: granted(message, f"T{len(bench.asked)}")
    bench.connect()
    others = [TokenRequest("web", "u1", "", 3600), TokenRequest("web", "u1", "vault", 700), TokenRequest("db", "u2", "vault", 3600)]
    assert [bench.token(request).text for request in (REQUEST, *others)] == ["T1", "T2", "T3", "T4"]


def test_after_four_fifths_of_its_life_another_one_is_asked_for(bench: Bench) -> None:
    bench.cloud = lambda message: granted(message, f"T{len(bench.asked)}")
    bench.connect()
    bench.token()
    bench.age(2860)
    assert bench.token().text == "T1"
    bench.age(30)
    assert bench.token().text == "T2"
    assert len(bench.rows()) == 1


def test_the_api_may_give_a_shorter_life_and_a_day_is_the_longest(bench: Bench) -> None:
    bench.connect()
    bench.cloud = lambda message: granted(message, "T1", seconds=600)
    assert bench.token().fresh == 480
    bench.cloud = lambda message: granted(message, "T2", seconds=30 * 86400)
    assert bench.token(TokenRequest("web", "u1")).fresh == 86400


@pytest.mark.parametrize("how", ["away", "silent", "puts it off", "refuses"])
def test_an_old_token_stays_where_no_other_one_comes(bench: Bench, how: str) -> None:
    bench.cloud = lambda message: granted(message, "T1")
    bench.connect()
    bench.token()
    bench.age(100_000)
    bench.connect(connected=how != "away")
    answers: dict[str, Callable[[Message], Message | None]] = {
        "puts it off": lambda message: refused(message, 503, retry=True),
        "refuses": lambda message: refused(message, 501, retry=False),
    }
    bench.cloud = answers.get(how, lambda message: None)
    again = bench.token()
    assert (again.text, again.fresh) == ("T1", 600 if how == "refuses" else 60)


def test_without_any_token_the_reason_is_told_and_whether_it_is_for_good(bench: Bench) -> None:
    with pytest.raises(NoAnswer, match="the cloud is away"):
        bench.token()
    bench.connect()
    with pytest.raises(NoAnswer, match="did not answer in time"):
        bench.token()
    bench.cloud = lambda message: refused(message, 503, retry=True)
    with pytest.raises(NoAnswer, match="offers no tokens"):
        bench.token()
    for code in (403, 501):
        bench.cloud = lambda message, code=code: refused(message, code, retry=False)  # type: ignore[misc]
        with pytest.raises(NotFound, match="offers no tokens"):
            bench.token()
    bench.cloud = lambda message: reply_to(message, {"status": {"token": 5}}, now_ms=1)
    with pytest.raises(NoAnswer, match="cannot be read"):
        bench.token()
    assert bench.rows() == []


def test_a_kubeedge_cloud_is_asked_only_for_what_is_needed(bench: Bench) -> None:
    bench.cloud = lambda message: granted(message, "T1")
    bench.connect(ledger=False)
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        bench.token(needed=False)
    assert time.monotonic() - began < 0.3
    assert bench.asked == []
    assert bench.token().text == "T1"
    assert bench.token(needed=False).text == "T1", "one that is here is for everybody"


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_the_tokens_of_a_pod_go_with_it(bench: Bench, how: str) -> None:
    bench.cloud = lambda message: granted(message, "T1")
    bench.connect()
    bench.token()
    assert len(bench.rows()) == 1
    if how == "deleted":
        bench.say("delete", "default/pod/web", {"metadata": {"uid": "u1", "resourceVersion": "6"}})
    else:
        bench.keep_pod("u2")
    wait_until(lambda: not bench.rows())
    assert bench.token().text == "T1", "a pod that is ending gets one, but it is not kept"
    assert bench.rows() == []


def test_a_token_that_nobody_asked_for_is_neither_kept_nor_given(bench: Bench) -> None:
    bench.connect()
    content = {"status": {"token": "forged"}, "metadata": {"uid": "u1", "resourceVersion": "7"}}
    for operation in ("insert", "update", "response", "delete"):
        bench.say(operation, "default/serviceaccounttoken/robot", content)
    with pytest.raises(NoAnswer):
        bench.token()
    assert bench.rows() == []


def test_a_token_is_in_no_log_and_the_database_is_the_owners_alone(bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench.connect()
    with caplog.at_level(logging.DEBUG):
        bench.cloud = lambda message: granted(message, "s3cret-T1")
        token = bench.token()
        bench.age(100_000)
        bench.cloud = lambda message: refused(message, 403, retry=False)
        bench.token()
    assert "s3cret" not in caplog.text + repr(token)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("edgecore.db*")} == {0o600}
