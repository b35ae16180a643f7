"""What an acknowledgement binds its sender to, and what frees it."""

from __future__ import annotations

from typing import Any

from tests.faults.eyes import Promises
from tests.faults.tap import DOWN, UP, Frame


def _down(operation: str, msg_id: str, version: str = "") -> Frame:
    header = {"msg_id": msg_id, "resourceversion": version}
    return Frame(DOWN, 1, {"header": header, "route": {"operation": operation, "resource": "default/configmap/a"}, "content": {}})


def _answer(way: str, *ids: str) -> Frame:
    route = {"operation": "response", "resource": "acknowledgements"}
    return Frame(way, 1, {"header": {"msg_id": "x"}, "route": route, "content": {"acknowledged": [*ids]}})


def _report(msg_id: str, value: str) -> Frame:
    twin: dict[str, Any] = {"level": {"actual": {"value": value}}}
    route = {"operation": "update", "resource": "device/d/twin/edge_updated"}
    return Frame(UP, 1, {"header": {"msg_id": msg_id}, "route": route, "content": {"twin": twin}})


def _told(*frames: Frame) -> Promises:
    promises = Promises()
    for frame in frames:
        promises(frame)
    return promises


def test_the_newest_version_that_was_acknowledged_binds_the_board() -> None:
    promises = _told(_down("insert", "1", "5"), _down("update", "2", "7"), _answer(UP, "1", "2"))
    assert promises.board == {"default/configmap/a": 7}


def test_a_version_that_was_only_said_binds_nobody() -> None:
    assert _told(_down("insert", "1", "5")).board == {}


def test_a_deletion_frees_the_board_as_soon_as_it_is_said_for_it_may_have_been_obeyed_before_its_answer() -> None:
    promises = _told(_down("insert", "1", "5"), _answer(UP, "1"), _down("delete", "2"), _answer(UP, "1"))
    assert promises.board == {}


def test_an_acknowledged_report_binds_the_cloud() -> None:
    promises = _told(_report("1", "3"), _report("2", "4"), _answer(DOWN, "1", "2"))
    assert promises.broken_by_cloud({"d": 3}) == ["d"]
    assert promises.broken_by_cloud({"d": 4}) == []
