"""Typed questions: what each answer means to the one who asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import Busy, EdgeCoreError, NoAnswer, NotFound, StoreError
from edgecore.metaclient import MetaClient
from viaduct.message import Message, new_message, reply_to


class Answering:
    """Stands in for MetaManager or EdgeHub: answers each question by ``answer``."""

    def __init__(self, switchboard: Switchboard, name: str) -> None:
        self.answer: Callable[[Message], Message | None] = lambda message: None
        self.asked: list[Message] = []
        self._switchboard = switchboard
        self._box = switchboard.register(name, "")
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._box.closed:
            message = self._box.take(0.1)
            if message is not None:
                self.asked.append(message)
                answer = self.answer(message)
                if answer is not None:
                    self._switchboard.answer(answer)


@pytest.fixture
def switchboard() -> Iterator[Switchboard]:
    switchboard = Switchboard()
    yield switchboard
    switchboard.close()


def _error(code: int) -> Callable[[Message], Message]:
    def answer(message: Message) -> Message:
        content = {"code": code, "reason": "because", "retry": False}
        return new_message(
            source="s",
            group="meta",
            operation="error",
            resource=message.route.resource,
            now_ms=1,
            content=content,
            parent_msg_id=message.id,
        )

    return answer


@pytest.mark.parametrize("content", [['{"a": 1}'], {"a": 1}, '{"a": 1}'])
def test_an_object_is_the_same_from_the_store_and_from_the_cloud(switchboard: Switchboard, content: Any) -> None:
    meta = Answering(switchboard, "metaManager")
    meta.answer = lambda message: reply_to(message, content, now_ms=1)
    assert MetaClient(switchboard).get("default", "configmap", "c") == {"a": 1}
    assert meta.asked[0].route.resource == "default/configmap/c"


@pytest.mark.parametrize("content", [[], ["no json"], None, "", 5, ["5"]])
def test_an_answer_that_is_no_object_means_not_found(switchboard: Switchboard, content: Any) -> None:
    Answering(switchboard, "metaManager").answer = lambda message: reply_to(message, content, now_ms=1)
    with pytest.raises(NotFound, match="default/secret/s"):
        MetaClient(switchboard).get("default", "secret", "s")


@pytest.mark.parametrize(
    ("code", "error"), [(404, NotFound), (403, NotFound), (503, NoAnswer), (504, NoAnswer), (500, NoAnswer), (507, StoreError)]
)
def test_errors_by_code(switchboard: Switchboard, code: int, error: type[EdgeCoreError]) -> None:
    Answering(switchboard, "metaManager").answer = _error(code)
    with pytest.raises(error, match="because"):
        MetaClient(switchboard).get("default", "secret", "s")


def test_pods_that_cannot_be_read_are_left_out(switchboard: Switchboard) -> None:
    Answering(switchboard, "metaManager").answer = lambda message: reply_to(message, ['{"metadata": {}}', "{", "5"], now_ms=1)
    assert MetaClient(switchboard).pods() == [{"metadata": {}}]


def test_silence_has_an_end_and_a_module_that_is_off_is_told_apart(switchboard: Switchboard) -> None:
    Answering(switchboard, "metaManager")
    client = MetaClient(switchboard)
    with pytest.raises(NoAnswer, match="no answer to query default/secret/s"):
        client.get("default", "secret", "s", timeout=0.05)
    with pytest.raises(Busy):
        client.report_node_status("edge1", {})


@pytest.mark.parametrize(("content", "registered"), [("OK", True), ("", False), (None, False)])
def test_a_node_is_registered_when_the_cloud_says_ok(switchboard: Switchboard, content: Any, registered: bool) -> None:
    hub = Answering(switchboard, "websocket")
    hub.answer = lambda message: reply_to(message, content, now_ms=1)
    assert MetaClient(switchboard).register_node("edge1", {"name": "edge1"}, {"phase": "Running"}) is registered
    asked = hub.asked[0]
    assert (asked.route.operation, asked.route.resource) == ("insert", "default/nodestatus/edge1")
    assert asked.content == {"metadata": {"name": "edge1", "labels": {"name": "edge1"}}, "status": {"phase": "Running"}}
