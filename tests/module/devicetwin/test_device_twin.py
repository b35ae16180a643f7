"""DeviceTwin as a running module over the real store; the bus and the hub are their mailboxes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import Arrived, BusRestored, LinkChanged, OutboxChanged, PublishAll
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.switchboard import Switchboard
from edgecore.devicetwin.module import DeviceTwin
from edgecore.errors import StoreFull
from edgecore.store import outbox
from edgecore.store.database import Database
from edgecore.store.writer import Done, Work
from viaduct import topics
from viaduct.device import Device, MsgTwin, TwinValue, Version, membership_content
from viaduct.message import Message, new_message

LIMIT = 10.0


class Board:
    """A DeviceTwin, its database and the two mailboxes that it speaks to."""

    def __init__(self, folder: Path, capacity: int = 4096, wrap: Callable[[Database], Any] = lambda database: database) -> None:
        self.database = Database(folder / "edge.db")
        self.store = wrap(self.database)
        self.switchboard = Switchboard(capacity)
        self.bus = self.switchboard.register("eventbus", "bus")
        self.hub = self.switchboard.register("websocket", "hub")
        self.keeper = Keeper(self.switchboard, first_delay=0.01)
        self.keeper.keep("twin", "twin", lambda: DeviceTwin(self.switchboard, self.store, node="edge1"))
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.keeper.start()

    def tell(self, letter: object) -> None:
        self.switchboard.send_from_rim("twin", letter, timeout=LIMIT)

    def add(self, device: str = "d1", version: int = 7, **twins: MsgTwin) -> None:
        twins = twins or {"t": MsgTwin(TwinValue("5"), None, False, "int", Version(version, 0))}
        content = membership_content(added=(Device(device, device, twins=twins, uid="u1"),), event_id="", timestamp=1)
        self.tell(_from_cloud("membership", content, str(version)))

    def report(self, value: str, *, device: str = "d1", twin: str = "t") -> None:
        body = {"event_id": value, "twin": {twin: {"actual": {"value": value}}}}
        self.tell(Arrived(topics.twin_update(device), json.dumps(body).encode()))

    def hear(self, claim: Callable[[str, dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until something was published for which ``claim`` holds."""
        deadline = time.monotonic() + LIMIT
        seen = 0
        while True:
            for topic, payload in self.said[seen:]:
                if claim(topic, payload):
                    return payload
            seen = len(self.said)
            letter = self.bus.take(deadline - time.monotonic())
            assert letter is not None, f"not heard; last were {self.said[-3:]}"
            assert isinstance(letter, PublishAll)
            self.said += [(item.topic, json.loads(item.payload)) for item in letter.publishes]

    def hear_result(self, event_id: str, device: str = "d1") -> dict[str, Any]:
        wanted = topics.twin_update_result(device)
        return self.hear(lambda topic, payload: topic == wanted and payload["event_id"] == event_id)

    def answered(self) -> Message:
        """The next message for the cloud."""
        while True:
            letter = self.hub.take(LIMIT)
            assert letter is not None
            if isinstance(letter, Message):
                return letter

    def owed(self) -> dict[str | None, Any]:
        rows = self.database.read(lambda tx: [row for rank in outbox.Rank for row in outbox.pending(tx, rank, 0, 1000)])
        return {row.key: json.loads(row.text) for row in rows}

    def stop(self) -> None:
        assert self.keeper.stop(LIMIT) == []
        self.database.close()


def _from_cloud(resource: str, content: Any, version: str) -> Message:
    return new_message(
        source="devicecontroller",
        group="twin",
        operation="update",
        resource=resource,
        now_ms=1,
        content=content,
        resource_version=version,
        msg_id=f"m{version}",
    )


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board(tmp_path)
    yield made
    made.stop()


def test_what_is_reported_is_saved_answered_and_owed_to_the_cloud(board: Board) -> None:
    board.add()
    board.report("20")
    result = board.hear_result("20")
    assert result["twin"]["t"]["actual"]["value"] == "20"
    (message,) = board.owed().values()
    assert message["route"] == {"source": "twin", "group": "resource", "operation": "update", "resource": "device/d1/twin/edge_updated"}
    twin = message["content"]["twin"]["t"]
    assert twin["actual"]["value"] == "20" and twin["actual_version"] == {"cloud": 0, "edge": 1} and "expected" not in twin
    letters = [board.hub.take(LIMIT), board.hub.take(LIMIT)]
    assert any(isinstance(letter, OutboxChanged) for letter in letters)


def test_the_newest_report_of_a_property_takes_the_place_of_the_older_ones(board: Board) -> None:
    board.add(t=MsgTwin(TwinValue("5"), None, False, "int", Version(7, 0)), u=MsgTwin(TwinValue("5"), None, False, "int", Version(7, 0)))
    for number in range(300):
        board.report(str(number), twin="t" if number % 2 else "u")
    board.hear_result("299")
    owed = board.owed()
    assert sorted(str(key) for key in owed) == ["twin/d1/t", "twin/d1/u"]
    assert owed["twin/d1/t"]["content"]["twin"]["t"]["actual"]["value"] == "299"


def test_pairs_of_updates_in_quick_succession_are_answered_in_order_and_the_last_value_stays(board: Board) -> None:
    board.add()
    for number in range(1000):
        board.report(f"{number}0")
        board.report(f"{number}1")
    board.hear_result("9991")
    results = [payload["event_id"] for topic, payload in board.said if topic.endswith("/twin/update/result")]
    assert results == [f"{number}{half}" for number in range(1000) for half in (0, 1)]
    assert board.owed()["twin/d1/t"]["content"]["twin"]["t"]["actual"]["value"] == "9991"


def test_the_cloud_is_answered_only_after_the_commit(tmp_path: Path) -> None:
    board = Board(tmp_path)
    try:
        gate = threading.Event()
        board.database.write(lambda tx: gate.wait(LIMIT) and None)
        board.add()
        assert board.hub.take(0.2) is None and board.bus.take(0) is None
        gate.set()
        assert board.answered().header.parent_msg_id == "m7"
    finally:
        board.stop()


def test_devices_and_values_are_there_again_after_a_restart(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.add()
    board.report("20")
    board.hear_result("20")
    board.stop()
    board = Board(tmp_path)
    try:
        board.tell(Arrived(topics.twin_get("d1"), b'{"event_id":"g"}'))
        twin = board.hear(lambda topic, _: topic == topics.twin_get_result("d1"))["twin"]["t"]
        assert (twin["actual"]["value"], twin["expected"]["value"], twin["metadata"]) == ("20", "5", {"type": "int"})
        assert "timestamp" in twin["actual"]["metadata"]
        board.add(version=6)
        board.report("21")
        board.hear_result("21")
        assert board.owed()["twin/d1/t"]["content"]["twin"]["t"]["actual_version"] == {"cloud": 0, "edge": 2}
    finally:
        board.stop()


def test_a_removed_device_leaves_no_row_behind(board: Board) -> None:
    board.add()
    board.report("20")
    board.tell(Arrived(topics.state_update("d1"), b'{"state":"online"}'))
    board.hear_result("20")
    content = membership_content(removed=(Device("d1", uid="u1"),), event_id="", timestamp=1)
    board.tell(_from_cloud("membership", content, "9"))
    board.hear(lambda topic, payload: topic == topics.membership_updated("edge1") and bool(payload["removed_devices"]))
    assert board.owed() == {}
    tables = ("device", "device_attr", "device_twin")
    assert board.database.read(lambda tx: [tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]) == [0, 0, 0]


def test_a_device_that_goes_and_comes_back_in_one_breath_is_the_later_one(board: Board) -> None:
    board.add()
    board.answered()
    removed = membership_content(removed=(Device("d1", uid="u1"),), event_id="", timestamp=1)
    for number in range(20):
        board.tell(_from_cloud("membership", removed, str(2 * number + 8)))
        board.add(version=2 * number + 9)
    while board.answered().header.parent_msg_id != "m47":
        pass
    assert board.database.read(lambda tx: tx.execute("SELECT id, version FROM device").fetchall()) == [("d1", "47")]


class _FailingDatabase:
    """Refuses the writes of the module while ``broken``; everything else is the real store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.broken = False
        self.read = database.read

    def write(self, work: Work, done: Done) -> None:
        if self.broken:
            threading.Thread(target=done, args=(StoreFull("disk is full"),)).start()
        else:
            self._database.write(work, done)


def test_while_the_disk_is_full_updates_are_refused_and_nothing_of_them_stays(tmp_path: Path) -> None:
    board = Board(tmp_path, wrap=_FailingDatabase)
    failing = board.store
    assert isinstance(failing, _FailingDatabase)
    try:
        board.add()
        board.report("20")
        board.hear_result("20")
        assert board.answered().header.parent_msg_id == "m7"
        failing.broken = True
        board.report("21")
        assert board.hear_result("21")["code"] == 500
        board.tell(Arrived(topics.twin_get("d1"), b"{}"))
        assert board.hear(lambda topic, _: topic == topics.twin_get_result("d1"))["twin"]["t"]["actual"]["value"] == "20"
        board.add(version=8)
        board.report("22")
        assert board.hear_result("22")["code"] == 500
        assert not any(isinstance(letter, Message) for letter in board.hub.take_ready(100)), "the cloud says it again"
        failing.broken = False
        board.report("23")
        assert board.hear_result("23")["twin"]["t"]["actual"]["value"] == "23"
        assert board.owed()["twin/d1/t"]["content"]["twin"]["t"]["actual_version"] == {"cloud": 0, "edge": 2}
    finally:
        board.stop()


def test_current_deltas_are_said_again_when_a_broker_answers_again(board: Board) -> None:
    board.add("d1")
    board.add("d2", version=8)
    board.report("5", device="d1")
    board.hear_result("5")
    board.said.clear()
    board.tell(BusRestored())
    board.hear(lambda topic, _: topic.endswith("/delta"))
    told = [topic for topic, _ in board.said if topic != topics.profile_updated("edge1")]
    assert told == [topics.twin_update_delta("d2")]


def test_kubeedges_cloud_is_asked_for_the_members_and_ours_is_not(board: Board) -> None:
    board.tell(LinkChanged(connected=True, ledger=True))
    board.tell(LinkChanged(connected=False))
    board.tell(LinkChanged(connected=True, ledger=False))
    question = board.answered()
    assert (question.route.operation, question.route.resource, question.route.group) == ("get", "membership/detail", "resource")
    assert json.loads(question.content)["group_id"] == "edge1"
    assert board.hub.take(0) is None


@pytest.mark.parametrize("capacity", [4, 16])
def test_nothing_is_lost_or_reordered_when_the_bus_is_slow(tmp_path: Path, capacity: int) -> None:
    board = Board(tmp_path, capacity)
    drain = _Slow(board.hub)
    try:
        board.add()
        feeder = threading.Thread(target=lambda: [board.report(str(number)) for number in range(200)], daemon=True)
        feeder.start()
        board.hear_result("199")
        results = [payload["event_id"] for topic, payload in board.said if topic.endswith("/twin/update/result")]
        assert results == [str(number) for number in range(200)]
    finally:
        drain.stop()
        board.stop()


def test_answers_that_find_the_bus_full_wait_for_room_and_keep_their_order(tmp_path: Path) -> None:
    board = Board(tmp_path, capacity=8)
    drain = _Slow(board.hub)
    try:
        board.add()
        board.hear(lambda topic, _: topic == topics.membership_updated("edge1"))
        while board.bus.place(PublishAll(())):
            pass
        feeder = threading.Thread(target=lambda: [board.report(str(number)) for number in range(50)], daemon=True)
        feeder.start()
        _until(lambda: "twin/d1/t" in board.owed())
        assert len(board.bus) == 8
        board.hear_result("49")
        results = [payload["event_id"] for topic, payload in board.said if topic.endswith("/twin/update/result")]
        assert results == [str(number) for number in range(50)]
    finally:
        drain.stop()
        board.stop()


def _until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class _Slow:
    """Empties a mailbox now and then."""

    def __init__(self, box: Mailbox) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(box,), daemon=True)
        self._thread.start()

    def _run(self, box: Mailbox) -> None:
        while not self._stopping.wait(0.005):
            box.take_ready(2)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


@pytest.mark.parametrize(
    "letter",
    [
        object(),
        Arrived("$hw/events/device/d1/twin/update", b"\xff" * 300_000),
        Arrived("not/ours", b""),
        Arrived("$hw/events/device/d1/twin/update", b"[" * 200_000),
        _from_cloud("membership", "x" * 1000, "9"),
        _from_cloud("", None, ""),
    ],
)
def test_garbage_does_not_stop_the_module(board: Board, letter: object) -> None:
    board.add()
    board.tell(letter)
    board.report("1")
    board.hear_result("1")
    assert [kept.restarts for kept in board.keeper.report()] == [0]


def test_what_is_wrong_with_a_device_outlives_a_restart_and_goes_up_with_its_state(tmp_path: Path) -> None:
    first = Board(tmp_path)
    first.add()
    faults = [{"property": "t", "code": "DescriptionError", "reason": "register: is missing"}]
    first.tell(Arrived(topics.state_update("d1"), json.dumps({"state": "online", "faults": faults}).encode()))
    first.hear(lambda topic, _: topic == topics.state_update_result("d1"))
    assert json.loads(first.owed()["state/d1"]["content"])["device"]["faults"] == faults
    first.stop()
    second = Board(tmp_path)
    second.tell(Arrived(topics.state_update("d1"), b'{"state": "offline"}'))
    said = second.hear(lambda topic, _: topic == topics.state_update_result("d1"))
    second.stop()
    assert said["device"]["faults"] == faults
