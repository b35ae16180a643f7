"""How a message of the cloud changes twins (contract 6.5, column 1; ledger's own rule)."""

from __future__ import annotations

import pytest

from edgecore.devicetwin.shadow import Twin
from edgecore.devicetwin.sync import merge_sync, missing_from
from viaduct.device import MsgTwin, TwinValue, Version

NOW = 1_700_000_000_000
PLAIN, LEDGER = False, True
HELD = Twin(TwinValue("5", 1), TwinValue("5", 1), False, "int", Version(7, 0), Version(0, 3))
SET_HERE = Twin(TwinValue("8", 1), None, True, "int", Version(7, 2))
GRAVE = Twin(None, None, True, "deleted", Version(7, 0))


def _desired(value: str, cloud: int | None, edge: int = 0, declared: str | None = "int") -> MsgTwin:
    return MsgTwin(TwinValue(value, 3), None, False, declared, None if cloud is None else Version(cloud, edge))


def _after(value: str, cloud: int, of: Twin, **more: object) -> Twin:
    fields = {"optional": False, "type": of.type, "actual": of.actual, "actual_version": of.actual_version} | more
    return Twin(expected=TwinValue(value, NOW), expected_version=Version(cloud, 0), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("twin", "entry", "ledger", "after"),
    [
        pytest.param(None, _desired("5", 7), PLAIN, _after("5", 7, Twin(type="int")), id="a twin that is new here is added"),
        pytest.param(None, _desired("", 7), LEDGER, _after("", 7, Twin(type="int")), id="nothing desired is no wrong int"),
        pytest.param(HELD, _desired("6", 8), PLAIN, _after("6", 8, HELD), id="a newer version is taken"),
        pytest.param(HELD, _desired("6", 8), LEDGER, _after("6", 8, HELD), id="a newer version is taken in ledger mode"),
        pytest.param(HELD, _desired("5", 8), PLAIN, _after("5", 8, HELD), id="an equal value still counts"),
        pytest.param(SET_HERE, _desired("6", 9), LEDGER, _after("6", 9, SET_HERE), id="ledger: a newer cloud value wins over the edge's"),
        pytest.param(
            SET_HERE,
            _desired("6", 9, edge=2),
            PLAIN,
            Twin(TwinValue("6", NOW), None, False, "int", Version(9, 2)),
            id="plain: the cloud knows",
        ),
        pytest.param(GRAVE, _desired("6", 8), LEDGER, _after("6", 8, Twin(type="int")), id="a tombstone revives"),
        pytest.param(
            HELD, _desired("1.5", 8, declared="float"), LEDGER, _after("1.5", 8, HELD, type="float"), id="ledger: the model's type counts"
        ),
        pytest.param(
            HELD,
            MsgTwin(type="deleted", expected=TwinValue(""), expected_version=Version(8, 0)),
            PLAIN,
            Twin(None, None, False, "deleted", Version(8, 0), Version(0, 3)),
            id="deleted by the cloud",
        ),
        pytest.param(
            SET_HERE,
            MsgTwin(type="deleted", expected_version=Version(8, 0)),
            LEDGER,
            Twin(None, None, True, "deleted", Version(8, 0)),
            id="ledger: deleted although it was set here",
        ),
    ],
)
def test_the_cloud_makes_this_of_a_twin(twin: Twin | None, entry: MsgTwin, ledger: bool, after: Twin) -> None:
    synced = merge_sync({} if twin is None else {"t": twin}, {"t": entry}, now_ms=NOW, ledger=ledger)
    assert synced.changes["t"].current == after
    assert not synced.rejected


@pytest.mark.parametrize(
    ("twin", "entry", "ledger", "rejected"),
    [
        pytest.param(HELD, _desired("6", None), PLAIN, True, id="no version"),
        pytest.param(HELD, _desired("6", None), LEDGER, True, id="no version in ledger mode"),
        pytest.param(HELD, _desired("6", 6), PLAIN, True, id="an older version"),
        pytest.param(SET_HERE, _desired("6", 9), PLAIN, True, id="plain: set here since"),
        pytest.param(SET_HERE, MsgTwin(type="deleted", expected_version=Version(9, 0)), PLAIN, True, id="plain: not deleted when set here"),
        pytest.param(
            SET_HERE,
            MsgTwin(TwinValue("5"), TwinValue("5"), None, None, Version(7, 0), Version(0, 1)),
            LEDGER,
            True,
            id="ledger: a whole twin of the version that the edge has changed since",
        ),
        pytest.param(HELD, _desired("6", 6), LEDGER, False, id="ledger: an older version is superseded"),
        pytest.param(HELD, _desired("5", 7), LEDGER, False, id="ledger: the same again"),
        pytest.param(SET_HERE, _desired("5", 7), LEDGER, False, id="ledger: what the edge changed after that version stays"),
        pytest.param(GRAVE, _desired("6", 7), LEDGER, False, id="ledger: a deletion is not undone by what is not newer"),
        pytest.param(HELD, MsgTwin(type="deleted", expected_version=Version(6, 0)), LEDGER, False, id="ledger: a late deletion"),
        pytest.param(None, MsgTwin(type="deleted", expected_version=Version(8, 0)), PLAIN, False, id="deleting what is not here"),
        pytest.param(None, _desired("x", 8), LEDGER, False, id="not an int"),
        pytest.param(None, _desired("x", 8, declared="colour"), LEDGER, False, id="an unknown type"),
        pytest.param(None, _desired("x", None), PLAIN, False, id="new but without a version"),
        pytest.param(HELD, None, PLAIN, False, id="null"),
    ],
)
def test_these_leave_a_twin_as_it_is(twin: Twin | None, entry: MsgTwin | None, ledger: bool, rejected: bool) -> None:
    synced = merge_sync({} if twin is None else {"t": twin}, {"t": entry}, now_ms=NOW, ledger=ledger)
    assert synced.changes == {}
    assert synced.rejected == ({"t": twin} if rejected else {})


def test_a_bad_entry_does_not_stop_the_others() -> None:
    synced = merge_sync({}, {"bad": _desired("x", 8), "good": _desired("1", 8)}, now_ms=NOW, ledger=True)
    assert list(synced.changes) == ["good"]
    assert synced.skipped == ("twin.bad: the value is not int",)


def test_of_a_whole_device_twins_of_the_cloud_that_are_not_listed_go_and_those_of_the_edge_stay() -> None:
    own = Twin(actual=TwinValue("1", 1), actual_version=Version(0, 1))
    gone = missing_from({"held": HELD, "own": own, "grave": GRAVE, "listed": HELD}, {"listed": _desired("5", 8)})
    assert list(gone) == ["held"]
    assert gone["held"].current.gone and gone["held"].last == HELD


def test_versions_compare_as_numbers() -> None:
    held = Twin(TwinValue("5", 1), None, False, "int", Version(999, 0))
    assert merge_sync({"t": held}, {"t": _desired("6", 1000)}, now_ms=NOW, ledger=True).changes
