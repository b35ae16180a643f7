from __future__ import annotations

from pathlib import Path

from edgecore.beehive.letters import LinkChanged
from tests.fakes.meta import FakeMeta
from tests.module.edged.conftest import Stage


def ready(stage: Stage) -> str:
    last = stage.meta.node_statuses[-1] if stage.meta.node_statuses else {"conditions": []}
    return next((c["status"] for c in last["conditions"] if c["type"] == "Ready"), "")


def test_the_node_registers_when_the_cloud_can_be_asked_and_tells_its_status_once(stage: Stage) -> None:
    stage.wait(lambda: ready(stage) == "True")
    assert stage.meta.registrations[0]["kubernetes.io/hostname"] == "edge1"
    told = len(stage.meta.node_statuses)
    stage.stop()
    assert len(stage.meta.node_statuses) <= told + 1


def test_a_node_that_cannot_register_tries_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "edged", meta=FakeMeta(away=True))
    stage.start()
    try:
        stage.wait(lambda: stage.meta.refused)
        assert stage.meta.node_statuses == []
        stage.meta.away = False
        stage.wait(lambda: stage.meta.registrations and stage.meta.node_statuses)
    finally:
        stage.stop()


def test_every_look_is_told_to_a_cloud_that_knows_no_other_heartbeat(stage: Stage) -> None:
    stage.send(LinkChanged(connected=True, ledger=False))
    told = len(stage.meta.node_statuses)
    stage.wait(lambda: len(stage.meta.node_statuses) > told + 2)


def test_an_engine_that_goes_away_makes_the_node_not_ready_and_back_again(stage: Stage) -> None:
    stage.wait(lambda: ready(stage) == "True")
    stage.runtime.down = True
    stage.wait(lambda: ready(stage) == "False")
    stage.runtime.down = False
    stage.wait(lambda: ready(stage) == "True")
