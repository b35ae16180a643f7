"""What is sampled when: the beat, the value that counts, and who is taken at their word (P6.15)."""

from __future__ import annotations

import json

import pytest

from edgecore.devicetwin.models import Collected, Model, collected_in
from edgecore.devicetwin.sampling import STALE_MS, Sampling
from edgecore.devicetwin.shadow import Shadow, Twin
from viaduct.device import Reading, TwinValue

NOW = 1_700_000_000_000
MODEL = Model("m")


def _shadow(value: str = "21.5", *, at: int = NOW, state: str = "online", kind: str = "float") -> Shadow:
    return Shadow("d1", state=state, twins={"t": Twin(None, TwinValue(value, at), True, kind)})


def _sampling(cycle: float = 1.0, *, upward: bool = True) -> Sampling:
    made = Sampling()
    made.follow({"d1": {"t": Collected(cycle, upward)}}, 0.0)
    return made


def test_the_reported_value_is_sampled_at_each_cycle_and_missed_beats_are_skipped() -> None:
    made, shadows = _sampling(), {"d1": _shadow()}
    taken = [len(made.due(now, NOW, shadows, {})) for now in (0.0, 0.5, 1.0, 1.9, 2.0, 7.3, 7.9, 8.0)]
    assert taken == [1, 0, 1, 0, 1, 1, 0, 1]
    assert made.next_time() == 9.0


def test_a_sample_says_what_it_is() -> None:
    (sample,) = _sampling(upward=False).due(0.0, NOW, {"d1": _shadow()}, {})
    assert (sample.device, sample.property, sample.type, sample.time, sample.value, sample.upward) == (
        "d1",
        "t",
        "float",
        NOW,
        "21.5",
        False,
    )


@pytest.mark.parametrize(
    "shadow",
    [
        None,
        Shadow("d1"),
        _shadow(state="offline"),
        _shadow(at=NOW - STALE_MS - 1),
        _shadow(at=NOW + 60_000),
        _shadow(""),
        _shadow(kind="deleted"),
        Shadow("d1", twins={"t": Twin(TwinValue("5", NOW))}),
    ],
)
def test_what_says_nothing_of_now_is_not_sampled(shadow: Shadow | None) -> None:
    assert _sampling().due(0.0, NOW, {} if shadow is None else {"d1": shadow}, {}) == []


def test_a_mapper_that_publishes_what_it_measures_is_taken_at_its_word_until_it_falls_silent() -> None:
    made, shadow = _sampling(), _shadow()
    shadows = {"d1": shadow}
    (heard,) = made.hear("d1", [Reading("t", "30", NOW - 20), Reading("unmarked", "1")], 0.0, NOW, shadow, MODEL)
    assert (heard.value, heard.time, heard.type) == ("30", NOW - 20, "float")
    assert [made.due(now, NOW, shadows, {}) for now in (0.0, 1.0, 5.0)] == [[], [], []]
    assert len(made.due(6.0, NOW, shadows, {})) == 1


def test_what_is_measured_faster_than_the_cycle_is_left_out() -> None:
    made = _sampling(cycle=1.0)
    taken = [bool(made.hear("d1", [Reading("t", "1", NOW + ms)], ms / 1000, NOW + ms, None, MODEL)) for ms in range(0, 2000, 100)]
    assert sum(taken) == 4, "half a cycle is the least"


@pytest.mark.parametrize(("said", "taken"), [(None, NOW), (NOW - 86_400_001, NOW), (NOW + 10**12, NOW), (NOW - 5000, NOW - 5000), (0, NOW)])
def test_a_time_that_cannot_be_is_ours(said: int | None, taken: int) -> None:
    (sample,) = _sampling().hear("d1", [Reading("t", "1", said)], 0.0, NOW, None, MODEL)
    assert sample.time == taken


def test_what_is_marked_no_more_is_sampled_no_more_and_the_others_keep_their_beat() -> None:
    made, shadows = _sampling(), {"d1": _shadow()}
    made.due(0.0, NOW, shadows, {})
    made.follow({"d1": {"t": Collected(1.0), "u": Collected(5.0)}}, 0.7)
    assert made.due(0.9, NOW, shadows, {}) == [] and len(made.due(1.0, NOW, shadows, {})) == 1
    made.follow({}, 1.5)
    assert made.next_time() is None and made.due(9.0, NOW, shadows, {}) == []


def test_marks_are_read_from_the_profile() -> None:
    def profile(**metadata: str) -> str:
        marks = [{"propertyName": "t", "metadata": metadata}]
        return json.dumps({"deviceInstances": [{"id": "d1", "model": "m", "data": {"dataProperties": marks}}]})

    table = [
        (profile(), Collected(1.0, True)),
        (profile(collectCycle="2500"), Collected(2.5, True)),
        (profile(collectCycle="1"), Collected(0.1, True)),
        (profile(collectCycle="soon"), Collected(1.0, True)),
        (profile(collectCycle="-5"), Collected(1.0, True)),
        (profile(collectCycle="nan"), Collected(1.0, True)),
        (profile(reportToCloud="false", type="string"), Collected(1.0, False)),
    ]
    assert [collected_in([text]) for text, _ in table] == [{"d1": {"t": wanted}} for _, wanted in table]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"deviceInstances": [{"id": "d1"}]}',
        '{"deviceInstances": [{"id": "d 1", "data": {"dataProperties": [{"propertyName": "t"}]}}]}',
        '{"deviceInstances": [{"id": "d1", "data": {"dataProperties": [{"propertyName": ""}, {"propertyName": "a b"}, 5]}}]}',
        '{"deviceInstances": [{"id": "d1", "data": "all"}]}',
    ],
)
def test_a_profile_that_marks_nothing(text: str) -> None:
    assert collected_in([text]) == {}
