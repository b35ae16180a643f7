"""What is retained for people, and what keeps it true (P6.9)."""

from __future__ import annotations

import json
from dataclasses import replace

from edgecore.beehive.letters import Publish
from edgecore.devicetwin.homeassistant import HomeAssistant
from edgecore.devicetwin.merge import Change
from edgecore.devicetwin.models import Facts, Model
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.devicetwin.showing import Showing
from edgecore.devicetwin.turn import Turn
from viaduct.device import TwinValue
from viaduct.tree import Tree

TWINS = {"t": Twin(TwinValue("5"), TwinValue("20"), type="int"), "u": Twin()}
MODEL = Model("m", {"t": Facts("int", True)})
ROOT = "bramble/edge1/d1/"
CONFIG = "homeassistant/device/bramble_edge1__d1/config"


def _told(said: list[Publish]) -> list[tuple[str, str]]:
    assert all(publish.retain for publish in said)
    return [(publish.topic, str(publish.payload)) for publish in said]


class Stage:
    def __init__(self, *, discovery: bool = False) -> None:
        self.shadows = {"d1": Shadow("d1", twins=TWINS)}
        self.models: dict[str, Model] = {}
        self.showing = Showing(Tree("bramble", "edge1"), HomeAssistant() if discovery else None)

    def restored(self, retained: dict[str, bytes] | None = None) -> list[tuple[str, str]]:
        return _told(self.showing.restored(retained or {}, self.shadows, self.models))

    def turn(self) -> Turn:
        return Turn(self.shadows, "edge1", 1, models=self.models)

    def change(self, **twins: Twin) -> list[tuple[str, str]]:
        turn = self.turn()
        for name, twin in twins.items():
            shadow = self.shadows["d1"]
            turn.change_twins(shadow, {name: Change(shadow.twins.get(name), twin, None)}, report=False)
        return self.follow(turn)

    def follow(self, turn: Turn) -> list[tuple[str, str]]:
        return _told(self.showing.follow(turn))


def test_a_broker_that_answers_is_told_everything() -> None:
    stage = Stage()
    everything = [(f"{ROOT}availability", "unknown"), (f"{ROOT}t", "20"), (f"{ROOT}t/desired", "5")]
    assert stage.restored() == everything
    assert stage.restored() == everything


def test_before_a_broker_answers_nothing_is_said() -> None:
    stage = Stage()
    assert stage.change(t=replace(TWINS["t"], actual=TwinValue("21"))) == []
    assert (f"{ROOT}t", "21") in stage.restored()


def test_what_is_retained_and_not_true_any_more_is_taken_away() -> None:
    stale = {f"{ROOT}gone": b"1", "bramble/edge1/d2/availability": b"online", f"{ROOT}t": b"19"}
    said = Stage().restored(stale)
    assert [topic for topic, payload in said if not payload] == [f"{ROOT}gone", "bramble/edge1/d2/availability"]
    assert (f"{ROOT}t", "20") in said


def test_a_retained_wish_is_refused_and_taken_away() -> None:
    stage = Stage()
    refusal, removal, *_ = stage.showing.restored({f"{ROOT}t/set": b"9"}, stage.shadows, {})
    assert (refusal.topic, refusal.retain) == (f"{ROOT}t/error", False) and "without retain" in str(refusal.payload)
    assert removal == Publish(f"{ROOT}t/set", "", retain=True)


def test_only_what_changed_is_said_and_of_one_turn_the_last_value() -> None:
    stage = Stage()
    stage.restored()
    turn = stage.turn()
    for value in ("21", "22", "23"):
        change = Change(TWINS["t"], replace(TWINS["t"], actual=TwinValue(value)), None)
        turn.change_twins(stage.shadows["d1"], {"t": change}, report=True)
    assert stage.follow(turn) == [(f"{ROOT}t", "23")]
    assert stage.change(t=stage.shadows["d1"].twins["t"]) == []


def test_a_property_that_goes_leaves_nothing_behind() -> None:
    stage = Stage()
    stage.restored()
    assert stage.change(t=Twin(type="deleted")) == [(f"{ROOT}t", ""), (f"{ROOT}t/desired", "")]


def test_a_device_that_goes_leaves_nothing_behind() -> None:
    stage = Stage(discovery=True)
    stage.restored()
    turn = stage.turn()
    turn.remove_device("d1")
    said = stage.follow(turn)
    assert {topic for topic, _ in said} == {f"{ROOT}availability", f"{ROOT}t", f"{ROOT}t/desired", CONFIG}
    assert {payload for _, payload in said} == {""}
    assert stage.showing.announce() == []


def test_a_device_that_goes_and_comes_back_in_one_turn_is_the_later_one() -> None:
    stage = Stage()
    stage.restored()
    turn = stage.turn()
    turn.remove_device("d1")
    turn.keep_device(Shadow("d1", twins={}))
    turn.change_twins(stage.shadows["d1"], {"v": Change(None, Twin(actual=TwinValue("7")), None)}, report=False)
    assert sorted(stage.follow(turn)) == [(f"{ROOT}t", ""), (f"{ROOT}t/desired", ""), (f"{ROOT}v", "7")]


def test_the_state_of_a_device_is_its_availability() -> None:
    stage = Stage()
    stage.restored()
    turn = stage.turn()
    turn.keep_device(replace(stage.shadows["d1"], state="online"))
    assert stage.follow(turn) == [(f"{ROOT}availability", "online")]


def test_home_assistant_is_told_a_device_again_only_when_its_form_changes() -> None:
    stage = Stage(discovery=True)
    assert CONFIG in dict(stage.restored())
    assert stage.change(t=replace(TWINS["t"], actual=TwinValue("21"))) == [(f"{ROOT}t", "21")]
    said = dict(stage.change(w=Twin(type="boolean")))
    assert set(json.loads(said[CONFIG])["components"]) == {"t", "u", "w"}


def test_a_model_that_comes_or_changes_is_told() -> None:
    stage = Stage(discovery=True)
    stage.restored()
    stage.models = {"d1": MODEL}
    said = stage.follow(stage.turn())
    assert [topic for topic, _ in said] == [CONFIG, CONFIG]
    assert json.loads(said[0][1])["components"]["t"] == {"platform": "sensor"}
    assert json.loads(said[1][1])["components"]["t"]["platform"] == "number"
    assert stage.follow(stage.turn()) == []


def test_a_component_that_went_while_edgecore_was_away_is_said_to_go() -> None:
    before = HomeAssistant().config(Tree("bramble", "edge1"), Shadow("d1", twins={**TWINS, "w": Twin()}), Model())
    said = Stage(discovery=True).restored({CONFIG: before.encode()})
    configs = [json.loads(payload)["components"] for topic, payload in said if topic == CONFIG]
    assert [config.get("w") for config in configs] == [{"platform": "sensor"}, None]


def test_home_assistant_that_starts_is_told_all_devices() -> None:
    stage = Stage(discovery=True)
    said = dict(stage.restored())
    assert _told(stage.showing.announce()) == [(CONFIG, said[CONFIG])]
    assert Stage().showing.announce() == []


def test_after_a_crash_of_device_twin_what_was_not_said_is_said() -> None:
    stage = Stage()
    stage.restored()
    del stage.shadows["d1"]
    stage.shadows["d2"] = Shadow("d2", state="offline")
    said = _told(stage.showing.catch_up(stage.shadows, {}))
    assert ("bramble/edge1/d2/availability", "offline") in said
    assert {(f"{ROOT}t", ""), (f"{ROOT}t/desired", ""), (f"{ROOT}availability", "")} < set(said)
