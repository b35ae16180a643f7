"""What EdgeCore retains for people and for Home Assistant, as it stands at the broker (P6.9, P6.10)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgecore.beehive.letters import Arrived
from edgecore.devicetwin import people
from edgecore.devicetwin.homeassistant import HomeAssistant
from edgecore.devicetwin.models import models_of
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.devicetwin.showing import Showing
from edgecore.devicetwin.turn import Turn
from viaduct.device import TwinValue, Version
from viaduct.tree import Tree

FOLDER = Path(__file__).parent / "recordings" / "people"
NOW = 1581066000000
TREE = Tree("bramble", "edge1")
RECORDED: dict[str, Any] = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def _turn() -> Turn:
    twins = {
        "temperature": Twin(None, TwinValue("212", 1), True, "int", None, Version(0, 3)),
        "setpoint": Twin(TwinValue("20", 1), TwinValue("19", 1), False, "int", Version(80, 0), Version(0, 1)),
        "fan": Twin(None, TwinValue("true", 1), True, "boolean", None, Version(0, 1)),
    }
    shadow = Shadow("thermometer", "thermometer", state="online", uid="device-uid-1", version="80", twins=twins)
    return Turn({"thermometer": shadow}, "edge1", NOW, models=models_of([json.dumps(RECORDED["profile"])]))


def test_what_is_retained_is_the_recorded_tree() -> None:
    turn = _turn()
    said = Showing(TREE, HomeAssistant(version="0.1.0")).restored({}, turn.shadows, turn.models)
    tree = {publish.topic: publish.payload for publish in said if publish.topic.startswith(TREE.prefix)}
    assert tree == RECORDED["tree"]
    (told,) = [publish for publish in said if publish.topic not in tree]
    assert (told.topic, json.loads(told.payload)) == (RECORDED["home-assistant"]["topic"], RECORDED["home-assistant"]["payload"])


def test_what_people_say_is_answered_as_recorded() -> None:
    for wish in RECORDED["wishes"]:
        turn = _turn()
        device, name = TREE.addressed(wish["topic"]) or ("", "")
        people.handle(device, name, Arrived(wish["topic"], wish["payload"].encode()), turn)
        answers = {said.topic: said.payload for said in turn.publishes if said.topic.endswith("/error")}
        assert answers == wish["answers"], wish
        expected = turn.shadows["thermometer"].twins["setpoint"].expected
        assert expected is not None and expected.value == wish["setpoint"]
