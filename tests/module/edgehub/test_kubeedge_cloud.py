"""Our edge at a CloudHub of KubeEdge, which is played from a recording: it counts one acknowledgement before it goes on (P4.3, P4.7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecore.store import metadata, outbox
from tests.fakes.fakehub import FakeHub, Papers, wait_until
from tests.module.edgehub.conftest import Board
from tests.wire.recording import frame, talk
from viaduct.codec import decode
from viaduct.message import Message


class Cloud:
    """Says each step as often as it is recorded and counts what comes back."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub = hub

    def answers(self, msg_id: str) -> list[Message]:
        return [message for message in list(self.hub.received) if message.header.parent_msg_id == msg_id]

    def play(self, steps: list[dict[str, object]]) -> None:
        for step in steps:
            text = frame(str(step["frame"]))
            message = decode(text)
            known = len(self.answers(message.id))
            for number in range(int(str(step["sends"]))):
                self.hub.say_text(text)
                if step["acknowledged"]:
                    wait_until(lambda known=known, number=number, message=message: len(self.answers(message.id)) == known + number + 1)
            for answer in self.answers(message.id):
                assert (answer.route.source, answer.route.group, answer.route.operation, answer.route.resource, answer.content) == (
                    *(message.route.source, message.route.group, "response", message.route.resource),
                    "OK",
                )


@pytest.fixture
def plain_hub(papers: Papers) -> FakeHub:
    return FakeHub(papers, mode="", answer=lambda message: [])


def test_each_message_is_acknowledged_by_itself_as_often_as_it_is_said(tmp_path: Path, papers: Papers, plain_hub: FakeHub) -> None:
    board = Board(tmp_path, papers, plain_hub.port)
    try:
        board.switchboard.register("twin", "twin")
        wait_until(lambda: plain_hub.received)
        steps = talk("kubeedge-cloud")
        Cloud(plain_hub).play(steps[:6])
        assert board.database.read(lambda tx: metadata.load(tx, "default/pod/p1")).version == "1240"
        Cloud(plain_hub).play(steps[6:])
        assert board.database.read(lambda tx: metadata.load(tx, "default/pod/p1")) is None
        said = {message.route.operation for message in plain_hub.received}
        assert said == {"keepalive", "response"}
        once = [decode(frame(str(step["frame"]))).id for step in steps if not step["acknowledged"]]
        assert not any(Cloud(plain_hub).answers(msg_id) for msg_id in once)
        assert board.database.read(outbox.count) == 0
    finally:
        board.stop()
        plain_hub.close()
