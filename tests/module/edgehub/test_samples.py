"""Samples on their way up: after everything else, in ledger mode only, again until they are answered (P4.8, P5.12; D3, D7)."""

from __future__ import annotations

from edgecore.beehive.letters import OutboxChanged
from edgecore.store import history, outbox
from edgecore.store.history import Segment
from edgecore.store.transaction import Transaction
from tests.fakes.fakehub import FakeHub, acknowledge_all, wait_until
from tests.module.edgehub.conftest import Board
from viaduct.message import Message, new_message
from viaduct.samples import Series, pack, parse_content

T0 = 1_700_000_000_000
SEGMENTS = 30


def _segment(number: int) -> Segment:
    packed = pack([Series("d1", "t", "int", (T0 + number,), (str(number),))])
    return Segment(T0 + number, T0 + number, 1, packed, True)


def _outage(tx: Transaction) -> None:
    history.add(tx, [_segment(number) for number in range(SEGMENTS)])
    for number in range(20):
        upload = new_message(source="bus", group="user", operation="upload", resource="SYS/dis/x", now_ms=1, content=str(number))
        outbox.owe(tx, upload, lane="upload/x")


def _values(hub: FakeHub) -> list[str]:
    return [one.values[0] for message in list(hub.about("samples")) for one in parse_content(message.content)]


def _owed(board: Board) -> int:
    return board.database.read(history.owed).segments


def test_what_an_outage_left_goes_up_in_order_and_is_owed_no_more_but_kept(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    hub.stop()
    board.database.write_and_wait(_outage)
    hub.received.clear()
    hub.start()
    wait_until(lambda: len(_values(hub)) == SEGMENTS and len(hub.about("SYS/dis/x")) == 20, 15)
    assert _values(hub) == [str(number) for number in range(SEGMENTS)]
    wait_until(lambda: _owed(board) == 0)
    assert board.database.read(history.held).segments == SEGMENTS and board.database.read(outbox.dropped) == {}


def test_what_was_not_answered_is_said_again_on_the_next_link_with_the_same_samples(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    hub.answer = lambda message: [] if message.route.resource == "samples" else acknowledge_all(message)
    board.database.write_and_wait(lambda tx: history.add(tx, [_segment(1)]))
    board.switchboard.send("websocket", OutboxChanged())
    wait_until(lambda: hub.about("samples"))
    hub.answer = acknowledge_all
    hub.reset()
    wait_until(lambda: _owed(board) == 0, 15)
    assert set(_values(hub)) == {"1"} and len(_values(hub)) >= 2


def test_what_the_cloud_refuses_for_good_is_counted_sample_by_sample_and_stays_on_the_board(board: Board, hub: FakeHub) -> None:
    def refuse(message: Message) -> list[Message]:
        if message.route.resource != "samples":
            return acknowledge_all(message)
        content = {"code": 501, "reason": "modules.history.enable: is off", "retry": False}
        return [
            new_message(
                source="cloudhub",
                group="resource",
                operation="error",
                resource="samples",
                now_ms=1,
                content=content,
                parent_msg_id=message.id,
            )
        ]

    hub.answer = refuse
    wait_until(lambda: hub.received)
    board.database.write_and_wait(lambda tx: history.add(tx, [_segment(1), _segment(2)]))
    board.switchboard.send("websocket", OutboxChanged())
    wait_until(lambda: board.database.read(outbox.dropped) == {"samples_refused": 2}, 10)
    assert _owed(board) == 0 and board.database.read(history.held).samples == 2


def test_a_kubeedge_cloud_gets_no_samples(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    hub.stop()
    hub.mode = "plain"
    board.database.write_and_wait(_outage)
    hub.received.clear()
    hub.start()
    wait_until(lambda: len(hub.about("SYS/dis/x")) == 20, 15)
    board.switchboard.send("websocket", OutboxChanged())
    wait_until(lambda: board.database.read(outbox.count) == SEGMENTS, 10)
    assert hub.about("samples") == [] and _owed(board) == SEGMENTS
