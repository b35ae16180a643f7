"""Every mailbox full: nothing stuck, nothing lost. Real modules over tiny mailboxes, with consumers that do not take for a while."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import Arrived, PodChanged, PublishAll
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.switchboard import Switchboard
from edgecore.certs.clock import SignedClock
from edgecore.certs.files import IdentityFiles
from edgecore.cloudlink import Timeouts
from edgecore.devicetwin.module import DeviceTwin
from edgecore.edgehub.dialing import Address, Dialing
from edgecore.edgehub.module import EdgeHub, HubSettings
from edgecore.metaclient import MetaClient
from edgecore.metamanager.module import MetaManager
from edgecore.rules.module import Rules
from edgecore.store import metadata, outbox, twins
from edgecore.store.database import Database
from tests.fakes.fakehub import FakeHub, make_papers, object_message, wait_until
from viaduct import topics
from viaduct.delivery import Timing
from viaduct.device import Device, MsgTwin, TwinValue, Version, membership_content
from viaduct.message import Message, new_message

CAPACITY = 8
PODS = 60
DEVICES = 30
UPDATES = 200
LIMIT = 40.0


class Slow:
    """A module that takes nothing until it is let go, and then takes its time."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._may = threading.Event()
        self.letters: list[Any] = []
        threading.Thread(target=self._run, daemon=True).start()

    def let_go(self) -> None:
        self._may.set()

    def _run(self) -> None:
        self._may.wait()
        while not self._mailbox.closed:
            letter = self._mailbox.take(0.1)
            if letter is not None:
                self.letters.append(letter)
                time.sleep(0.001)  # its work


class Board:
    def __init__(self, folder: Path) -> None:
        papers = make_papers(folder)
        self.hub = FakeHub(papers)
        self.database = Database(folder / "edgecore.db")
        self.switchboard = Switchboard(CAPACITY)
        self.client = MetaClient(self.switchboard)
        self.edged = Slow(self.switchboard.register("edged", "edged"))
        self.bus = Slow(self.switchboard.register("eventbus", "bus"))
        files = IdentityFiles(papers.ca, papers.node, papers.node_key)
        dialing = Dialing(
            Address(f"127.0.0.1:{self.hub.port}", "project", "edge1"), files, Timeouts(handshake=5.0), clock=SignedClock(files.signed_time)
        )
        self.keeper = Keeper(self.switchboard)
        self.keeper.keep("metaManager", "meta", lambda: MetaManager(self.switchboard, self.database))
        self.keeper.keep("twin", "twin", lambda: DeviceTwin(self.switchboard, self.database, node="edge1"))
        self.keeper.keep("rules", "rules", lambda: Rules(self.switchboard, self.database, node="edge1", folder=""))
        self.keeper.keep(
            "websocket", "hub", lambda: EdgeHub(self.switchboard, self.database, dialing, HubSettings(timing=Timing(first_retry=1.0)))
        )
        self.keeper.start()
        wait_until(lambda: self.hub.received)

    def stop(self) -> None:
        assert self.keeper.stop(15) == []
        self.database.close()
        self.hub.close()

    def full(self) -> bool:
        lengths = self.switchboard.lengths()
        return lengths["edged"] >= CAPACITY and lengths["eventbus"] >= CAPACITY


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path)
    yield board
    board.stop()


def _device_message(number: int) -> Message:
    wanted = {"t": MsgTwin(TwinValue("5"), None, False, "int", Version(number + 1, 0))}
    content = membership_content(added=(Device(f"d{number}", f"d{number}", twins=wanted, uid=f"du{number}"),), event_id="", timestamp=1)
    return new_message(
        source="devicecontroller",
        group="twin",
        operation="update",
        resource="membership",
        now_ms=1,
        content=content,
        resource_version=str(number + 1),
    )


def _rule_message() -> Message:
    """Its condition reads and sets what the flood is about."""
    then = [{"device": f"d{number}", "property": "t", "value": "99"} for number in range(16)]
    content = {"metadata": {"name": "r", "uid": "ur"}, "spec": {"when": "d0.t >= 0 and d1.t >= 0", "then": then}}
    return new_message(
        source="edgecontroller",
        group="resource",
        operation="insert",
        resource="default/devicerule/r",
        now_ms=1,
        content=content,
        resource_version="1",
    )


def _desired(board: Board) -> set[str]:
    return {row.deviceid for row in board.database.read(twins.load_all)[2] if row.expected == "99"}


def _update(number: int) -> Arrived:
    body = {"event_id": str(number), "twin": {"t": {"actual": {"value": str(number)}, "metadata": {"type": "int"}}}}
    return Arrived(topics.twin_update(f"d{number % DEVICES}"), json.dumps(body).encode())


def _mapper(board: Board) -> None:
    """As a listener does: waits for room as long as it takes."""
    for number in range(UPDATES):
        while True:
            try:
                board.switchboard.send_from_rim("twin", _update(number), timeout=1.0)
                break
            except Exception:
                continue


def _results(board: Board) -> list[str]:
    published = [publish for letter in list(board.bus.letters) if isinstance(letter, PublishAll) for publish in letter.publishes]
    return [json.loads(publish.payload)["event_id"] for publish in published if publish.topic.endswith("/twin/update/result")]


def test_every_mailbox_full_nothing_stuck_nothing_lost(board: Board) -> None:
    down = [_rule_message()]
    down += [object_message(f"default/pod/p{number}", f"u{number}", number + 1) for number in range(PODS)]
    down += [_device_message(number) for number in range(DEVICES)]

    def cloud() -> None:
        """Says again what is not acknowledged, as a cloud does."""
        owed = down
        while owed:
            for message in owed:
                board.hub.say(message)
            time.sleep(1.0)
            answered = board.hub.acknowledged()
            owed = [message for message in owed if message.id not in answered]

    speaking = [threading.Thread(target=cloud, daemon=True), threading.Thread(target=_mapper, args=(board,), daemon=True)]
    for thread in speaking:
        thread.start()
    wait_until(board.full, 20)
    board.edged.let_go()
    board.bus.let_go()
    for thread in speaking:
        thread.join(LIMIT)
        assert not thread.is_alive()

    wait_until(
        lambda: (
            {letter.key for letter in board.edged.letters if isinstance(letter, PodChanged)} == {f"default/pod/p{n}" for n in range(PODS)}
        ),
        LIMIT,
    )
    for number in range(PODS):
        board.client.report_pod_status("default", f"p{number}", f"u{number}", {"phase": "Running"}, timeout=LIMIT)
    wait_until(lambda: board.database.read(outbox.count) == 0, LIMIT)
    assert len(board.database.read(lambda tx: metadata.load_type(tx, "pod"))) == PODS
    assert len(board.database.read(twins.held)) == DEVICES
    assert {m.route.resource for m in board.hub.received if "/podstatus/" in m.route.resource} == {
        f"default/podstatus/p{number}" for number in range(PODS)
    }
    wait_until(lambda: len(_results(board)) == UPDATES, LIMIT)
    assert _results(board) == [str(number) for number in range(UPDATES)]
    for number in (7 * DEVICES, 7 * DEVICES + 1):  # what came before its device was refused: the rule knows d0 and d1 by now at the latest
        board.switchboard.send_from_rim("twin", _update(number), timeout=LIMIT)
    wait_until(lambda: _desired(board) == {f"d{number}" for number in range(16)}, LIMIT)
    assert all(kept.restarts == 0 for kept in board.keeper.report())
