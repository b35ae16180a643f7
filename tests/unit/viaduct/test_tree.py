"""The topics that people read (P6.9)."""

from __future__ import annotations

import pytest

from viaduct import tree
from viaduct.tree import Tree

TREE = Tree("bramble", "edge1")


def test_a_node_is_a_tree_of_topics() -> None:
    assert TREE.status == "bramble/edge1/status"
    assert TREE.availability("thermo") == "bramble/edge1/thermo/availability"
    assert TREE.value("thermo", "temperature") == "bramble/edge1/thermo/temperature"
    assert TREE.desired("thermo", "setpoint") == "bramble/edge1/thermo/setpoint/desired"
    assert tree.error(TREE.set("thermo", "setpoint")) == "bramble/edge1/thermo/setpoint/error"
    assert TREE.set_filter == "bramble/edge1/+/+/set"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("temperature", "temperature"),
        ("room.temp_1-a:b,c@d", "room.temp_1-a:b,c@d"),
        ("a/b", "a%2Fb"),
        ("#1", "%231"),
        ("+", "%2B"),
        ("50%", "50%25"),
        ("°C", "%C2%B0C"),
        ("availability", "%61vailability"),
        ("set", "set"),
        ("status", "status"),
    ],
)
def test_a_property_is_one_level_whatever_its_name(name: str, level: str) -> None:
    assert tree.level(name) == level
    assert tree.level(name) not in ("availability", "")
    if name.isascii():
        assert TREE.addressed(TREE.set("d", name)) == ("d", name)


@pytest.mark.parametrize(
    "topic",
    [
        "bramble/edge1/d/set",
        "bramble/edge1/d/p",
        "bramble/edge1/d/p/error",
        "bramble/edge1//p/set",
        "bramble/edge1/d//set",
        "bramble/edge1/d/p/q/set",
        "bramble/edge2/d/p/set",
        "$hw/events/device/d/twin/update",
    ],
)
def test_other_topics_desire_nothing(topic: str) -> None:
    assert TREE.addressed(topic) is None
