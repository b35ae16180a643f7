"""The sign of life of an idle link, against a hub on loopback (P2.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecore.cloudlink import Identity, Timeouts, connect
from edgecore.edgehub import pulse
from edgecore.errors import LinkError
from tests.fakes.fakehub import FakeHub, Papers, wait_until
from tests.module.edgehub.conftest import Board
from viaduct.message import new_message

Make = Callable[[], Board]


@pytest.fixture
def quick(tmp_path: Path, papers: Papers, hub: FakeHub) -> Iterator[Make]:
    """Makes a board that pings every second and says keepalive every 0.2 s."""
    made: list[Board] = []

    def make() -> Board:
        made.append(Board(tmp_path, papers, hub.port, ping=1, heartbeat=0.2))
        return made[-1]

    yield make
    for board in made:
        board.stop()


def test_an_idle_link_is_pinged_and_no_keepalive_is_said(quick: Make, hub: FakeHub) -> None:
    quick()
    wait_until(lambda: hub.pings >= 2)
    assert [message.route.operation for message in hub.received] == ["inventory"]
    assert hub.connections == 1


def test_a_cloud_that_agrees_to_no_pings_hears_keepalives(quick: Make, hub: FakeHub) -> None:
    hub.agrees_to_pings = False
    quick()
    wait_until(lambda: len(hub.about("node")) >= 3)
    assert hub.pings == 0


@pytest.mark.parametrize("mode", ["", "plain"])
def test_a_kubeedge_cloud_hears_keepalives(quick: Make, hub: FakeHub, mode: str) -> None:
    hub.mode = mode
    quick()
    wait_until(lambda: len(hub.about("node")) >= 3)
    assert hub.pings == 0


def test_a_link_that_stands_but_carries_nothing_is_given_up(quick: Make, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "PATIENCE", 0.5)
    quick()
    wait_until(lambda: hub.connections == 1)
    hub.deaf = True
    wait_until(lambda: hub.connections == 2, 10)
    hub.deaf = False
    wait_until(lambda: hub.pings)


def test_a_board_that_is_too_busy_to_read_does_not_take_the_link_for_dead(
    tmp_path: Path, papers: Papers, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "PATIENCE", 0.3)
    board = Board(tmp_path, papers, hub.port, capacity=4, ping=1)
    try:
        wait_until(lambda: hub.received)
        board.switchboard.register("twin", "twin")  # takes nothing: the reader waits for room there
        for number in range(20):
            hub.say(new_message(source="devicecontroller", group="twin", operation="update", resource="membership", now_ms=number))
        wait_until(lambda: len(board.switchboard.register("twin", "twin")) == 2)
        wait_until(lambda: hub.pings >= 3, 10)
        assert hub.connections == 1
    finally:
        board.stop()


def test_who_waits_for_an_answer_does_not_wait_for_the_next_ping(
    tmp_path: Path, papers: Papers, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "PATIENCE", 0.5)
    monkeypatch.setattr(pulse, "DOUBT", 0.3)
    board = Board(tmp_path, papers, hub.port, ping=3600)
    try:
        wait_until(lambda: hub.received)
        hub.deaf = True
        board.client.report_node_status("edge1", {"phase": "Running"})
        wait_until(lambda: hub.connections == 2, 10)
        hub.deaf = False
        wait_until(lambda: hub.about("default/nodestatus/edge1"), 10)
    finally:
        board.stop()


def test_a_message_that_stops_half_way_ends_the_link_by_its_time_limit(papers: Papers, hub: FakeHub) -> None:
    link = connect(
        f"wss://127.0.0.1:{hub.port}/project/edge1/events",
        {"node_id": "edge1"},
        Identity(papers.ca, papers.node, papers.node_key),
        Timeouts(read=0.3),
    )
    wait_until(lambda: hub.connections)

    async def half() -> None:
        transport = hub._sockets[-1]._req.transport
        transport.write(bytes([0x81, 126]) + (1000).to_bytes(2, "big") + b"x" * 10)

    try:
        asyncio.run_coroutine_threadsafe(half(), hub._loop).result(5)
        with pytest.raises(LinkError, match="timed out"):
            link.receive()
    finally:
        link.close()
