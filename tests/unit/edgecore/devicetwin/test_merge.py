"""How a request over MQTT changes twins (contract 6.4, 6.5, column 0)."""

from __future__ import annotations

import pytest

from edgecore.devicetwin.merge import TwinRefused, check_value, merge_update
from edgecore.devicetwin.shadow import Twin
from viaduct.device import MsgTwin, TwinValue, Version

NOW = 1_700_000_000_000
GRAVE = Twin(None, None, True, "deleted", Version(9, 2), Version(0, 4))


def _actual(value: str, **more: object) -> MsgTwin:
    return MsgTwin(actual=TwinValue(value, 5), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("twin", "entry", "after"),
    [
        pytest.param(None, _actual("1"), Twin(actual=TwinValue("1", NOW), actual_version=Version(0, 1)), id="added as an optional string"),
        pytest.param(
            None,
            _actual("1", type="int", optional=False),
            Twin(None, TwinValue("1", NOW), False, "int", None, Version(0, 1)),
            id="added with the type and optional of the message",
        ),
        pytest.param(None, _actual("x", type=""), Twin(None, TwinValue("x", NOW), True, "", None, Version(0, 1)), id="typo tyep: no type"),
        pytest.param(
            Twin(TwinValue("5", 1), None, False, "int", Version(7, 0)),
            _actual("6", type="Updated"),
            Twin(TwinValue("5", 1), TwinValue("6", NOW), False, "int", Version(7, 0), Version(0, 1)),
            id="the type of the message counts for nothing on a living twin",
        ),
        pytest.param(
            Twin(None, TwinValue("6", 1), True, "int", None, Version(0, 3)),
            _actual("6"),
            Twin(None, TwinValue("6", NOW), True, "int", None, Version(0, 4)),
            id="an equal value still counts",
        ),
        pytest.param(
            Twin(TwinValue("5", 1), None, True, "int", Version(7, 0)),
            MsgTwin(expected=TwinValue("9")),
            Twin(TwinValue("9", NOW), None, True, "int", Version(7, 1)),
            id="an expected value set here bumps the edge part only",
        ),
        pytest.param(
            Twin(actual=TwinValue("1", 1)),
            MsgTwin(optional=False),
            Twin(actual=TwinValue("1", 1), optional=False),
            id="optional to required",
        ),
        pytest.param(
            GRAVE,
            _actual("1", type="int"),
            Twin(None, TwinValue("1", NOW), True, "int", Version(9, 2), Version(0, 5)),
            id="a tombstone revives with its versions",
        ),
        pytest.param(
            Twin(TwinValue("1", 1), TwinValue("2", 1), True, "int", Version(7, 0), Version(0, 3)),
            None,
            Twin(None, None, True, "deleted", Version(7, 1), Version(0, 4)),
            id="null deletes an optional twin",
        ),
        pytest.param(
            Twin(TwinValue("a", 1), TwinValue("1", 1), True, "int", Version(7, 0), Version(0, 3)),
            MsgTwin(expected=TwinValue("3")),
            Twin(TwinValue("3", NOW), TwinValue("1", 1), True, "int", Version(7, 1), Version(0, 3)),
            id="the other side stays",
        ),
        pytest.param(
            Twin(type="int"),
            _actual("warm"),
            Twin(None, TwinValue("warm", NOW), True, "int", None, Version(0, 1)),
            id="first value unchecked",
        ),
    ],
)
def test_an_entry_makes_this_of_a_twin(twin: Twin | None, entry: MsgTwin | None, after: Twin) -> None:
    change = merge_update({} if twin is None else {"t": twin}, {"t": entry}, now_ms=NOW)["t"]
    assert change.current == after
    assert change.last == (None if twin is None or twin.gone else twin)


@pytest.mark.parametrize(
    ("twin", "entry"),
    [
        (Twin(actual=TwinValue("1", 1), optional=False), None),
        (GRAVE, None),
        (Twin(actual=TwinValue("1", 1)), MsgTwin()),
        (Twin(actual=TwinValue("1", 1)), MsgTwin(type="float")),
        (Twin(optional=False), MsgTwin(optional=True)),
    ],
)
def test_these_change_nothing_and_are_no_error(twin: Twin, entry: MsgTwin | None) -> None:
    assert merge_update({"t": twin}, {"t": entry}, now_ms=NOW) == {}


@pytest.mark.parametrize(
    ("twin", "entry", "reason"),
    [
        (None, None, "The request body is wrong"),
        (None, _actual("1", type="Updated"), "the value type is not allowed"),
        (None, MsgTwin(type="deleted"), "the value type is not allowed"),
        (None, _actual("x", type="int"), "the value is not int"),
        (GRAVE, _actual("x", type="float"), "the value is not float"),
        (Twin(actual=TwinValue("1", 1), type="int"), _actual("x"), "the value is not int"),
        (Twin(expected=TwinValue("true", 1), type="boolean"), MsgTwin(expected=TwinValue("yes")), "the bool value must be true or false"),
    ],
)
def test_these_refuse_the_whole_request(twin: Twin | None, entry: MsgTwin | None, reason: str) -> None:
    twins = {"good": Twin(actual=TwinValue("1", 1))} | ({} if twin is None else {"t": twin})
    with pytest.raises(TwinRefused) as caught:
        merge_update(twins, {"good": _actual("2"), "t": entry}, now_ms=NOW)
    assert str(caught.value) == reason
    assert twins["good"].actual == TwinValue("1", 1)


@pytest.mark.parametrize(
    ("declared", "value", "fits"),
    [
        ("string", "anything at all", True),
        ("", "x", True),
        ("int", "-9223372036854775808", True),
        ("int", "9223372036854775808", False),
        ("int", "+7", True),
        ("int", "1_000", False),
        ("int", "1.0", False),
        ("int", "", False),
        ("int", "٣", False),
        ("int", "9" * 5000, False),
        ("float", "21.5", True),
        ("float", "-1e3", True),
        ("float", "inf", True),
        ("float", " 1", False),
        ("float", "1_0.5", False),
        ("float", "", False),
        ("boolean", "true", True),
        ("boolean", "True", False),
        ("boolean", "1", False),
        ("deleted", "x", True),
        ("bool", "true", False),
    ],
)
def test_a_value_fits_its_declared_type(declared: str, value: str, fits: bool) -> None:
    if fits:
        check_value(declared, value)
    else:
        with pytest.raises(TwinRefused):
            check_value(declared, value)


def test_the_result_lists_the_sides_that_changed() -> None:
    twins = {"t": Twin(TwinValue("5", 1), TwinValue("4", 1), False, "int", Version(7, 0), Version(0, 1))}
    touched = merge_update(twins, {"t": _actual("6")}, now_ms=NOW)["t"].touched
    assert touched == MsgTwin(actual=TwinValue("6", NOW), type="int")


@pytest.mark.parametrize("value", ['{"lat": 52.5}', "[1, 2]", '"21 °C"', "null", "1e3"])
def test_json_is_a_type_of_its_own(value: str) -> None:
    check_value("json", value)


@pytest.mark.parametrize("value", ["", "{", "NaN", "[Infinity]", "'a'"])
def test_what_is_not_json_is_refused(value: str) -> None:
    with pytest.raises(TwinRefused, match="the value is not json"):
        check_value("json", value)
