"""The profile that the cloud sends for mappers, from MetaManager's store to DeviceTwin's refusals (P6.11)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import Arrived, BusRestored
from edgecore.metamanager.module import MetaManager
from tests.module.devicetwin.test_device_twin import Board
from viaduct import topics
from viaduct.message import new_message

CONFIGMAP = "default/configmap/device-profile-config-edge1"


class Whole(Board):
    """A board whose MetaManager runs too; the mailbox of Edged is there and read by nobody."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.switchboard.register("edged", "edged")
        self.meta = Keeper(self.switchboard)
        self.meta.keep("metaManager", "meta", lambda: MetaManager(self.switchboard, self.database))
        self.meta.start()

    def stop(self) -> None:
        assert self.meta.stop(10) == []
        super().stop()

    def profile(self, version: str, operation: str = "update", **facts: Any) -> None:
        entry = {"name": "t", "dataType": "int", "accessMode": "ReadWrite"} | facts
        profile = {"deviceInstances": [{"id": "d1", "model": "m"}], "deviceModels": [{"name": "m", "properties": [entry]}]}
        configmap = {
            "metadata": {"name": "device-profile-config-edge1", "namespace": "default", "uid": "c", "resourceVersion": version},
            "data": {"deviceProfile.json": json.dumps(profile)},
        }
        message = new_message(
            source="edgecontroller",
            group="resource",
            operation=operation,
            resource=CONFIGMAP,
            now_ms=1,
            content=configmap,
            resource_version=version,
        )
        self.switchboard.send_from_rim("metaManager", message, timeout=10)
        self.answered()

    def desire(self, value: str) -> dict[str, Any]:
        body = {"event_id": value, "twin": {"t": {"expected": {"value": value}}}}
        self.tell(Arrived(topics.twin_update("d1"), json.dumps(body).encode()))
        return self.hear_result(value)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Whole]:
    made = Whole(tmp_path)
    made.add()
    made.answered()
    yield made
    made.stop()


def test_limits_come_with_the_profile_change_with_it_and_go_with_it(board: Whole) -> None:
    assert "code" not in board.desire("31")
    board.profile("10", maximum=30)
    assert board.desire("32")["reason"] == "the value 32 of t is outside its limits: model m allows 30 or less"
    board.profile("11", maximum=40)
    assert "code" not in board.desire("33")
    assert board.desire("41")["code"] == 400
    board.profile("12", operation="delete")
    assert "code" not in board.desire("42")


def test_limits_are_there_again_after_a_restart(tmp_path: Path) -> None:
    board = Whole(tmp_path)
    board.add()
    board.answered()
    board.profile("10", minimum=0)
    board.stop()
    board = Whole(tmp_path)
    try:
        assert board.desire("-1")["reason"] == "the value -1 of t is outside its limits: model m allows 0 or more"
    finally:
        board.stop()


def test_mappers_are_told_a_profile_that_is_new_or_other_once_and_its_end(board: Whole) -> None:
    topic = topics.profile_updated("edge1")

    def told() -> list[Any]:
        return [body["profiles"] for where, body in board.said if where == topic]

    board.profile("1", maximum=30)
    board.hear(lambda where, body: where == topic and "default" in body["profiles"])
    assert json.loads(told()[-1]["default"])["deviceModels"][0]["properties"][0]["maximum"] == 30
    board.profile("2", maximum=30)
    board.profile("3", maximum=40)
    board.hear(lambda where, body: where == topic and '"maximum": 40' in body["profiles"]["default"])
    assert len(told()) == 2
    board.profile("4", "delete")
    board.hear(lambda where, body: where == topic and body["profiles"] == {})


def test_a_broker_that_answers_again_and_a_mapper_that_asks_are_told_what_there_is(board: Whole) -> None:
    board.profile("1", maximum=30)
    board.said.clear()
    board.tell(BusRestored())
    body = board.hear(lambda where, body: where == topics.profile_updated("edge1") and "default" in body["profiles"])
    board.tell(Arrived(topics.profile_get("_"), b'{"event_id": "q"}'))
    answer = board.hear(lambda where, _: where == topics.profile_get_result("edge1"))
    assert (answer["event_id"], answer["profiles"], answer["digest"]) == ("q", body["profiles"], body["digest"])
