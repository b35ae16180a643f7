"""Where retained messages of ours may be (P6.9)."""

from __future__ import annotations

from edgecore.eventbus.leftovers import Ground, ground
from edgecore.eventbus.settings import Retaining

TREE, TOLD = "bramble/edge1/", "homeassistant/device/bramble_edge1__"
ALL = Retaining("bramble/edge1/status", ("bramble/edge1/+/+/set",), (TREE, TOLD))


def test_nothing_is_looked_for_where_nothing_was_ever_retained() -> None:
    assert ground(None, []) == Ground()
    assert ground(None, []).mark is None
    assert not ground(None, []).is_past("bramble/edge1/d/t")


def test_what_is_retained_now_is_found_by_filters() -> None:
    found = ground(ALL, [TREE, TOLD])
    assert found.filters == ("bramble/edge1/#", "homeassistant/device/+/config")
    assert found.mark == ("bramble/edge1/status", b"online")
    assert found.is_present("bramble/edge1/d/t") and found.is_present(f"{TOLD}d/config")
    assert not found.is_present("homeassistant/device/bramble_edge2__d/config")
    assert not found.is_present("bramble/edge1/status"), "the door itself says that"


def test_a_setting_that_was_switched_off_is_looked_for_too() -> None:
    found = ground(Retaining(ALL.status, ALL.filters, (TREE,)), [TREE, TOLD])
    assert (found.present, found.past) == ((TREE,), (TOLD,))
    assert found.is_past(f"{TOLD}d/config") and not found.is_past("bramble/edge1/d/t")
    assert found.mark == (ALL.status, b"online")


def test_where_all_is_off_the_old_status_is_cleared_and_marks_the_end() -> None:
    found = ground(None, [TREE, TOLD])
    assert found.mark == ("bramble/edge1/status", b"")
    assert found.status == ""
    assert found.is_past("bramble/edge1/status")
