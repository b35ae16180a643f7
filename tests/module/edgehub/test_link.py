"""EdgeHub and MetaManager against a hub on loopback: what is owed arrives, what comes is kept, nothing that is said breaks anything."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from edgecore.errors import NoAnswer, NotFound, StoreError
from edgecore.store import metadata, outbox
from tests.fakes.fakehub import FakeHub, Papers, acknowledge_all, object_message, wait_until
from tests.module.edgehub.conftest import Board
from tests.wire.recording import recordings
from viaduct.codec import MAX_FRAME_BYTES
from viaduct.message import Message, new_message, reply_to

POD = "default/pod/web"


def _stored(board: Board, key: str) -> metadata.MetaRow | None:
    return board.database.read(lambda tx: metadata.load(tx, key))


def _owed(board: Board) -> int:
    return board.database.read(outbox.count)


def _acknowledged(hub: FakeHub, message: Message) -> bool:
    return message.id in hub.acknowledged()


def _give_pod(board: Board, hub: FakeHub, uid: str = "u1", version: int = 5) -> Message:
    message = object_message(POD, uid, version)
    wait_until(lambda: hub.connections)
    wait_until(lambda: hub.received)
    hub.say(message)
    wait_until(lambda: _acknowledged(hub, message))
    return message


def test_the_first_message_is_the_inventory(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    assert hub.received[0].route.operation == "inventory"
    assert hub.received[0].content == {"objects": []}


def test_a_pod_is_saved_then_forwarded_then_acknowledged_and_is_in_the_next_inventory(board: Board, hub: FakeHub) -> None:
    _give_pod(board, hub)
    stored = _stored(board, POD)
    assert stored is not None
    assert (stored.uid, stored.version) == ("u1", "5")
    letters = [letter for letter in board.edged.take_ready(10) if type(letter).__name__ == "PodChanged"]
    assert [letter.key for letter in letters] == [POD]
    assert [pod["metadata"]["name"] for pod in board.client.pods()] == ["web"]
    hub.stop()
    hub.received.clear()
    hub.start()
    inventory = wait_until(lambda: hub.about("inventory"))[0]
    assert inventory.content == {"objects": [{"key": POD, "uid": "u1", "version": "5"}]}


def test_a_status_reported_offline_arrives_after_the_reconnect_and_leaves_the_outbox(board: Board, hub: FakeHub) -> None:
    _give_pod(board, hub)
    hub.stop()
    for phase in ("Pending", "Running"):
        board.client.report_pod_status("default", "web", "u1", {"phase": phase})
    assert _owed(board) == 1
    hub.start()
    arrived = wait_until(lambda: hub.about("default/podstatus/web"))
    assert [message.content["Status"]["phase"] for message in arrived] == ["Running"]
    wait_until(lambda: _owed(board) == 0)


def test_the_board_is_back_within_two_seconds_of_the_cloud(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.connections == 1)
    hub.stop()
    time.sleep(2.5)  # the outage itself: long enough for the longest delay between attempts
    hub.start()
    back = time.monotonic()
    wait_until(lambda: hub.connections == 2)
    assert time.monotonic() - back < 2.0


def test_a_link_that_is_reset_is_back_within_two_seconds(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.connections == 1)
    hub.reset()
    cut = time.monotonic()
    wait_until(lambda: hub.connections == 2)
    assert time.monotonic() - cut < 2.0


def test_the_same_status_is_not_sent_twice(board: Board, hub: FakeHub) -> None:
    _give_pod(board, hub)
    for _ in range(3):
        board.client.report_pod_status("default", "web", "u1", {"phase": "Running", "podIP": "1.2.3.4"})
    wait_until(lambda: hub.about("default/podstatus/web"))
    wait_until(lambda: _owed(board) == 0)
    assert len(hub.about("default/podstatus/web")) == 1


def test_a_status_of_a_pod_that_is_gone_is_owed_to_nobody(board: Board, hub: FakeHub) -> None:
    _give_pod(board, hub)
    hub.answer = lambda message: []
    board.client.report_pod_status("default", "web", "u1", {"phase": "Running"})
    assert _owed(board) == 1
    gone = object_message(POD, "u1", 6, operation="delete")
    hub.say(gone)
    wait_until(lambda: _acknowledged(hub, gone))
    assert _owed(board) == 0
    assert _stored(board, "default/podstatus/web") is None
    board.client.report_pod_status("default", "web", "u1", {"phase": "Failed"})
    assert _owed(board) == 0


def test_a_deletion_is_not_undone_by_a_late_update_even_after_a_restart(board: Board, hub: FakeHub, tmp_path: Path, papers: Papers) -> None:
    _give_pod(board, hub)
    gone = object_message(POD, "u1", 6, operation="delete")
    hub.say(gone)
    wait_until(lambda: _acknowledged(hub, gone))
    board.stop()
    again = Board(tmp_path, papers, hub.port)
    try:
        wait_until(lambda: hub.connections == 2)
        late = object_message(POD, "u1", 7)
        hub.say(late)
        wait_until(lambda: _acknowledged(hub, late))
        assert _stored(again, POD) is None
    finally:
        again.stop()
        board.database = again.database


def test_an_older_version_is_acknowledged_and_changes_nothing(board: Board, hub: FakeHub) -> None:
    _give_pod(board, hub, version=10)
    older = object_message(POD, "u1", 9)
    hub.say(older)
    wait_until(lambda: _acknowledged(hub, older))
    stored = _stored(board, POD)
    assert stored is not None
    assert stored.version == "10"


def test_a_lost_acknowledgement_makes_the_board_say_it_again(board: Board, hub: FakeHub) -> None:
    _give_pod(board, hub)
    seen: list[str] = []

    def deaf_once(message: Message) -> list[Message]:
        if message.route.resource == "default/podstatus/web" and message.id not in seen:
            seen.append(message.id)
            return []
        return acknowledge_all(message)

    hub.answer = deaf_once
    board.client.report_pod_status("default", "web", "u1", {"phase": "Running"})
    wait_until(lambda: _owed(board) == 0)
    assert len({message.id for message in hub.about("default/podstatus/web")}) == 1
    assert len(hub.about("default/podstatus/web")) == 2


@pytest.mark.parametrize(("retry", "left"), [(False, 0), (True, 1)])
def test_a_refusal_drops_the_row_unless_it_asks_for_patience(
    board: Board, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, retry: bool, left: int
) -> None:
    monkeypatch.setattr("edgecore.edgehub.upward._FIRST_PAUSE", 1.0)
    _give_pod(board, hub)

    def refuse(message: Message) -> list[Message]:
        content = {"code": 404, "reason": "no such pod", "retry": retry}
        answer = new_message(
            source="cloudhub",
            group="resource",
            operation="error",
            resource=message.route.resource,
            now_ms=1,
            content=content,
            parent_msg_id=message.id,
        )
        return [answer] if "podstatus" in message.route.resource else []

    hub.answer = refuse
    board.client.report_pod_status("default", "web", "u1", {"phase": "Running"})
    wait_until(lambda: hub.about("default/podstatus/web"))
    if left:
        time.sleep(0.7)  # longer than settled rows are kept back
        assert _owed(board) == left
        hub.answer = acknowledge_all
    wait_until(lambda: _owed(board) == 0)


def test_what_is_not_stored_is_asked_of_the_cloud_and_then_kept(board: Board, hub: FakeHub) -> None:
    def answer(message: Message) -> list[Message]:
        if message.route.operation != "query":
            return acknowledge_all(message)
        body = {"metadata": {"name": "settings", "namespace": "default", "uid": "c1"}, "data": {"a": "b"}}
        return [reply_to(message, body, now_ms=1, resource_version="42")]

    hub.answer = answer
    wait_until(lambda: hub.received)
    assert board.client.get("default", "configmap", "settings")["data"] == {"a": "b"}
    hub.stop()
    wait_until(lambda: board.client.get("default", "configmap", "settings")["data"] == {"a": "b"})


def test_a_question_about_nothing_is_answered_so_and_without_a_cloud_it_says_so(board: Board, hub: FakeHub) -> None:
    def no_such(message: Message) -> list[Message]:
        if message.route.operation != "query":
            return acknowledge_all(message)
        content = {"code": 404, "reason": "not found", "retry": False}
        return [
            new_message(
                source="edgecontroller",
                group="resource",
                operation="error",
                resource=message.route.resource,
                now_ms=1,
                content=content,
                parent_msg_id=message.id,
            )
        ]

    hub.answer = no_such
    wait_until(lambda: hub.received)
    with pytest.raises(NotFound, match="default/secret/none"):
        board.client.get("default", "secret", "none")
    hub.stop()
    wait_until(lambda: not _is_connected(board))
    with pytest.raises(NoAnswer):
        board.client.get("default", "secret", "none", timeout=3)
    with pytest.raises(NoAnswer):
        board.client.register_node("edge1", {}, {}, timeout=3)


def _is_connected(board: Board) -> bool:
    letters = [letter for letter in board.edged.take_ready(100) if type(letter).__name__ == "LinkChanged"]
    return not letters or letters[-1].connected


def test_a_node_registers_and_only_its_newest_status_is_sent_after_an_outage(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    assert board.client.register_node("edge1", {"name": "edge1"}, {"phase": "Running"})
    hub.stop()
    wait_until(lambda: not _is_connected(board))
    hub.received.clear()
    for number in range(5):
        board.client.report_node_status("edge1", {"phase": str(number)})
    hub.start()
    statuses = wait_until(lambda: hub.about("default/nodestatus/edge1"))
    assert [message.content["Status"]["phase"] for message in statuses] == ["4"]


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "null",
        '{"header":{},"route":{}}',
        '{"header":{"msg_id":"1","timestamp":"x"},"route":{},"content":1}',
        json.dumps(
            {"header": {"msg_id": "1", "timestamp": 1}, "route": {"operation": "update", "group": "resource", "resource": "a/b/c/d/e"}}
        ),
        json.dumps({"header": {"msg_id": "1", "timestamp": 1}, "route": {"operation": "update", "group": "resource", "resource": POD}}),
        json.dumps({"header": {"msg_id": "1", "timestamp": 1}, "route": {"operation": "x", "group": "resource", "resource": POD}}),
        json.dumps({"header": {"msg_id": "1", "timestamp": 1}, "route": {"operation": "update", "group": "nobody", "resource": POD}}),
        json.dumps({"header": {"msg_id": "1", "timestamp": 1, "parent_msg_id": "2"}, "route": {"operation": "response", "resource": "x"}}),
        "[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_garbage_from_the_cloud_changes_nothing_and_the_link_lives(board: Board, hub: FakeHub, frame: str | bytes) -> None:
    wait_until(lambda: hub.received)
    if isinstance(frame, bytes):
        hub.say_bytes(frame)
    else:
        hub.say_text(frame)
    _give_pod(board, hub)
    assert hub.connections == 1
    assert [row.key for row in board.database.read(lambda tx: metadata.load_type(tx, "pod"))] == [POD]
    assert all(kept.restarts == 0 for kept in board.keeper.report())


def test_an_oversize_frame_ends_the_connection_and_the_board_comes_back(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    hub.say_text('"' + "x" * (MAX_FRAME_BYTES + 1) + '"')
    wait_until(lambda: hub.connections == 2)
    _give_pod(board, hub)


def test_a_large_object_below_the_cap_is_stored(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    message = object_message("default/configmap/big", "c1", 3, data={"big": "x" * 1_500_000})
    hub.say(message)
    wait_until(lambda: _acknowledged(hub, message))
    stored = _stored(board, "default/configmap/big")
    assert stored is not None
    assert len(stored.value) > 1_500_000


def test_towards_kubeedge_a_report_leaves_the_outbox_when_it_is_written_and_all_are_repeated(tmp_path: Path, papers: Papers) -> None:
    hub = FakeHub(papers, mode="", answer=lambda message: [])
    board = Board(tmp_path, papers, hub.port)
    try:
        _give_pod(board, hub)
        assert not hub.about("inventory")
        board.client.report_pod_status("default", "web", "u1", {"phase": "Running"})
        wait_until(lambda: hub.about("default/podstatus/web"))
        wait_until(lambda: _owed(board) == 0)
        batch = wait_until(lambda: hub.about("default/podstatus"))[0]
        assert [each["Name"] for each in batch.content] == ["web"]
    finally:
        board.stop()
        hub.close()


def test_many_objects_and_many_reports_all_arrive(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    messages = [object_message(f"default/pod/p{number}", f"u{number}", number + 1) for number in range(300)]
    for message in messages:
        hub.say(message)
    wait_until(lambda: all(_acknowledged(hub, message) for message in messages[-5:]), 20)
    for number in range(300):
        board.client.report_pod_status("default", f"p{number}", f"u{number}", {"phase": "Running"})
    wait_until(lambda: _owed(board) == 0, 20)
    assert len({message.route.resource for message in hub.received if "podstatus" in message.route.resource}) == 300


def test_one_acknowledgement_of_the_cloud_may_name_many_reports_and_a_question(board: Board, hub: FakeHub) -> None:
    asked: list[str] = []

    def gather(message: Message) -> list[Message]:
        asked.append(message.id)
        if message.route.operation != "insert":
            return []
        many = {"acknowledged": [*asked, "unknown"]}
        return [new_message(source="cloudhub", group="resource", operation="response", resource="acknowledgements", now_ms=1, content=many)]

    for number in range(20):
        key = f"default/pod/p{number}"
        message = object_message(key, f"u{number}", number + 1)
        wait_until(lambda: hub.received)
        hub.say(message)
        wait_until(lambda message=message: _acknowledged(hub, message))
    hub.answer = gather
    for number in range(20):
        board.client.report_pod_status("default", f"p{number}", f"u{number}", {"phase": "Running"})
    wait_until(lambda: len(asked) == 20)
    assert _owed(board) == 20
    assert board.client.register_node("edge1", {}, {})
    wait_until(lambda: _owed(board) == 0)


def test_what_one_commit_holds_is_acknowledged_in_few_messages(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    messages = [object_message(f"default/configmap/c{number}", f"u{number}", number + 1) for number in range(200)]
    held = threading.Event()
    board.database.write(lambda tx: held.wait(5))
    for message in messages:
        hub.say(message)
    held.set()
    wait_until(lambda: hub.acknowledged() >= {message.id for message in messages}, 20)
    assert sum(message.route.operation == "response" for message in hub.received) < 100


def test_a_kubeedge_cloud_counts_an_acknowledgement_for_each_message(tmp_path: Path, papers: Papers) -> None:
    hub = FakeHub(papers, mode="", answer=lambda message: [])
    board = Board(tmp_path, papers, hub.port)
    try:
        wait_until(lambda: hub.received)
        messages = [object_message(f"default/configmap/c{number}", f"u{number}", number + 1) for number in range(50)]
        held = threading.Event()
        board.database.write(lambda tx: held.wait(5))
        for message in messages:
            hub.say(message)
        held.set()
        wait_until(lambda: hub.acknowledged() >= {message.id for message in messages}, 20)
        said = [message for message in hub.received if message.route.operation == "response"]
        assert sorted(message.header.parent_msg_id for message in said) == sorted(message.id for message in messages)
        assert {message.content for message in said} == {"OK"}
    finally:
        board.stop()
        hub.close()


def test_an_acknowledgement_of_many_that_cannot_be_read_settles_nothing(board: Board, hub: FakeHub) -> None:
    _give_pod(board, hub)
    hub.answer = lambda message: []
    board.client.report_pod_status("default", "web", "u1", {"phase": "Running"})
    report = wait_until(lambda: hub.about("default/podstatus/web"))[0]
    bad = {"acknowledged": [report.id, 3]}
    hub.say(new_message(source="cloudhub", group="resource", operation="response", resource="acknowledgements", now_ms=1, content=bad))
    _give_pod(board, hub, version=6)
    assert _owed(board) == 1


def test_every_recorded_message_is_taken_without_harm(board: Board, hub: FakeHub) -> None:
    wait_until(lambda: hub.received)
    for recording in recordings("core"):
        hub.say_text(recording.text)
    _give_pod(board, hub, uid="after")
    assert hub.connections == 1
    assert all(kept.restarts == 0 for kept in board.keeper.report())


def test_what_came_in_recordings_is_stored_and_deleted_again(board: Board, hub: FakeHub) -> None:
    named = {recording.name: recording for recording in recordings("core")}
    wait_until(lambda: hub.received)
    for name in ("configmap-insert", "secret-added"):
        frame = named[name].frame
        hub.say_text(named[name].text)
        stored = wait_until(lambda frame=frame: _stored(board, frame["route"]["resource"]))
        assert json.loads(stored.value) == frame["content"]
        assert stored.version == frame["header"]["resourceversion"]
    gone = named["configmap-delete"].frame["route"]["resource"]
    hub.say_text(named["configmap-delete"].text)
    wait_until(lambda: _stored(board, gone) is None)


def test_on_a_full_disk_nothing_is_acknowledged_and_when_there_is_room_again_it_is(board: Board, hub: FakeHub) -> None:
    _give_pod(board, hub)
    board.database.write_and_wait(lambda tx: tx.execute("PRAGMA max_page_count = 1").close())
    large = object_message("default/configmap/large", "c1", 8, data={"x": "y" * 200_000})
    hub.say(large)
    complaint = wait_until(lambda: [message for message in hub.received if message.header.parent_msg_id == large.id])[0]
    assert complaint.route.operation == "error"
    assert (complaint.content["code"], complaint.content["retry"]) == (507, True)
    assert "full" in complaint.content["reason"]
    with pytest.raises(StoreError, match="full"):
        for number in range(100):  # there may be room for a few small ones
            board.client.report_pod_status("default", "web", "u1", {"phase": "x" * 50_000 + str(number)})
    board.database.write_and_wait(lambda tx: tx.execute("PRAGMA max_page_count = 100000").close())
    hub.say(large)
    wait_until(lambda: _acknowledged(hub, large))
    assert [pod["metadata"]["uid"] for pod in board.client.pods()] == ["u1"]
    assert all(kept.restarts == 0 for kept in board.keeper.report())
