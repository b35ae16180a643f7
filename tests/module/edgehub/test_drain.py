"""After a long outage: what waited goes up at a pace, and nothing fresh waits behind it (P4.8)."""

from __future__ import annotations

import time

from edgecore.beehive.letters import OutboxChanged
from edgecore.edgehub.backlog import Pace
from edgecore.store import outbox
from edgecore.store.transaction import Transaction
from tests.fakes.fakehub import FakeHub, wait_until
from tests.module.edgehub.conftest import Board
from viaduct.message import Message, new_message

ROWS = 30_000
LANES = 40


def _upload(number: int) -> Message:
    return new_message(
        source="eventbus",
        group="user",
        operation="upload",
        resource=f"SYS/dis/{number % LANES}",
        now_ms=1,
        content=str(number),
        msg_id=f"u{number}",
    )


def _twin_report() -> Message:
    return new_message(
        source="twin", group="resource", operation="update", resource="device/d/twin/edge_updated", now_ms=1, content="fresh"
    )


def test_a_fresh_report_passes_tens_of_thousands_of_events_and_these_go_at_their_pace(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    hub.stop()

    def outage(tx: Transaction) -> None:
        for number in range(ROWS):
            outbox.owe(tx, _upload(number), lane=f"upload/{number % LANES}")

    board.database.write_and_wait(outage, 60)
    hub.received.clear()
    hub.start()
    wait_until(lambda: sum(message.route.operation == "upload" for message in list(hub.received)) >= 100, 15)
    began = time.monotonic()
    said = len(hub.received)
    board.database.write_and_wait(lambda tx: outbox.owe(tx, _twin_report(), key="twin/d/t", lane="device/d"))
    board.switchboard.send("websocket", OutboxChanged())
    wait_until(lambda: hub.about("device/d/twin/edge_updated"))
    received = list(hub.received)
    arrived = next(index for index, message in enumerate(received) if message.content == "fresh")
    took = time.monotonic() - began
    pace = Pace()
    # Round trips are the measure, not seconds: at most what was on its way, and what the pace let go meanwhile.
    assert arrived - said <= 2 * pace.in_flight + took * pace.per_second
    uploads = [int(message.content) for message in received if message.route.operation == "upload"]
    for lane in range(LANES):
        of_lane = [number for number in uploads if number % LANES == lane]
        assert of_lane == sorted(of_lane)
    assert board.database.read(outbox.dropped) == {}


def test_an_event_that_is_alone_goes_at_once(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    board.database.write_and_wait(lambda tx: outbox.owe(tx, _upload(1), lane="upload/1"))
    board.switchboard.send("websocket", OutboxChanged())
    wait_until(lambda: hub.about("SYS/dis/1"))
    wait_until(lambda: board.database.read(outbox.count) == 0)
