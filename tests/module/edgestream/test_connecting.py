"""When the board dials its stream connection, and when it does not (P7.7, P7.10)."""

from __future__ import annotations

import pytest

from edgecore.beehive.switchboard import Switchboard
from edgecore.edgestream import connection, module
from edgecore.edgestream.module import EdgeStream
from tests.fakes.streams import FakeRunning
from tests.module.edgestream.conftest import Board, connect_message
from viaduct.message import Message


def said(board: Board) -> Message:
    found = board.main.take(30)
    assert isinstance(found, Message)
    return found


def test_the_board_dials_when_asked_and_names_what_the_connection_is_for(board: Board) -> None:
    assert board.hub.connections == 0
    board.linked()
    assert board.hub.requests == [("/project/edge1/streams", "str")]


def test_asked_again_it_keeps_a_connection_on_which_the_cloud_answers(board: Board) -> None:
    board.linked()
    log = FakeRunning()
    board.opened(log, verb="logs", follow=True)
    board.connect()
    board.hub.wait(lambda: board.hub.pings)
    log.says.put(None)
    assert board.hub.end(1).code == 200
    assert board.hub.connections == 1


def test_a_connection_on_which_nobody_answers_is_made_anew(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_LIMIT", 0.3)
    board.linked()
    log = FakeRunning()
    board.opened(log, verb="logs", follow=True)
    board.hub.deaf = True
    board.linked()
    assert log.closed.wait(20)
    board.hub.deaf = False
    board._number = 0  # numbers begin anew with a connection
    after = FakeRunning()
    after.says.put((1, b"again"))
    after.says.put(None)
    board.open(after, verb="logs")
    board.hub.wait(lambda: board.hub.output(1) == b"again")


def test_after_a_cut_the_board_waits_until_it_is_asked(board: Board) -> None:
    board.linked()
    log = FakeRunning()
    board.opened(log, verb="logs", follow=True)
    board.hub.reset()
    assert log.closed.wait(20)
    board.linked()
    assert board.hub.connections == 2


def test_a_connection_without_a_sign_of_life_is_given_up(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.Connection.__init__, "__kwdefaults__", {"silence": 0.3})
    board.linked()
    log = FakeRunning()
    board.opened(log, verb="logs", follow=True)
    assert log.closed.wait(20)


def test_a_cloud_that_cannot_be_dialed_is_told_why_on_the_main_link(board: Board) -> None:
    board.hub.status = 403
    asked = board.connect()
    message = said(board)
    assert (message.route.operation, message.header.parent_msg_id) == ("error", asked.id)
    assert (message.content["code"], message.content["retry"]) == (503, False)
    assert "this node is not welcome" in message.content["reason"]
    board.hub.status = 101
    board.linked()


def test_a_board_that_serves_no_streams_says_so_and_dials_nobody() -> None:
    switchboard = Switchboard()
    main = switchboard.register("websocket", "hub")

    def dial() -> None:
        raise AssertionError("dialed")

    stream = EdgeStream(switchboard, dial, None)  # type: ignore[arg-type]
    message = connect_message()
    stream.take(message)
    answer = main.take(0)
    assert isinstance(answer, Message)
    assert (answer.content["code"], answer.content["retry"], answer.header.parent_msg_id) == (501, False, message.id)
    assert "modules.edgeStream.enable" in answer.content["reason"]


def test_edgecore_that_ends_says_goodbye(board: Board) -> None:
    board.linked()
    log = FakeRunning()
    board.opened(log, verb="logs", follow=True)
    board.stop()
    assert log.closed.wait(20)
    board.hub.wait(lambda: board.hub.close_codes == [1001])
