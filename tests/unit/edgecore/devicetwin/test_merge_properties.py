"""What holds of the merge rules in every interleaving of what the cloud says and the board does (contract 6.5; P6.2 to P6.4)."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudcore.devicecontroller.reports import Report, merged, twin_report
from cloudcore.devicecontroller.translate import twins_of
from edgecore.devicetwin.merge import merge_update
from edgecore.devicetwin.shadow import Twin
from edgecore.devicetwin.sync import merge_sync
from viaduct.device import MsgTwin, TwinValue, Version, twin_update_content

NAME = "setpoint"
_VALUES = st.integers(-3, 3).map(str)
_SAID = st.lists(_VALUES, min_size=1, max_size=6)
"""What the cloud desires, one after the other; the place is the version."""

Twins = dict[str, Twin]


def _cloud_says(values: list[str], index: int) -> MsgTwin:
    return MsgTwin(TwinValue(values[index], 1), None, False, "int", Version(index + 1, 0))


def _sync(twins: Twins, entry: MsgTwin, *, ledger: bool) -> Twins:
    changes = merge_sync(twins, {NAME: entry}, now_ms=5, ledger=ledger).changes
    return {**twins, **{name: change.current for name, change in changes.items()}}


def _board(twins: Twins, entry: MsgTwin | None) -> Twins:
    if entry is None and NAME not in twins:
        return twins
    changes = merge_update(twins, {NAME: entry}, now_ms=5)
    return {**twins, **{name: change.current for name, change in changes.items()}}


_BOARD = st.one_of(
    st.none(),
    st.builds(MsgTwin, expected=_VALUES.map(TwinValue), type=st.just("int")),
    st.builds(MsgTwin, actual=_VALUES.map(TwinValue), type=st.just("int")),
)
_STEPS = st.lists(st.one_of(st.integers(0, 5), _BOARD), max_size=20)
"""A number: the cloud's word of that place arrives, late, again or out of order. Else: the board's own request."""


in_its_time = settings(deadline=None)
"""A busy machine may take any time for an example."""


def _play(values: list[str], steps: list[int | MsgTwin | None], *, ledger: bool) -> list[Twins]:
    seen: list[Twins] = [{}]
    for step in steps:
        if isinstance(step, int):
            seen.append(_sync(seen[-1], _cloud_says(values, step % len(values)), ledger=ledger))
        else:
            seen.append(_board(seen[-1], step))
    return seen


def _versions(twins: Twins) -> tuple[tuple[int, int], tuple[int, int]]:
    twin = twins.get(NAME, Twin())
    expected, actual = twin.expected_version or Version(-1, 0), twin.actual_version or Version(-1, 0)
    return (expected.cloud, expected.edge), (actual.cloud, actual.edge)


@in_its_time
@given(_SAID, _STEPS, st.booleans())
def test_a_version_never_goes_back(values: list[str], steps: list[int | MsgTwin | None], ledger: bool) -> None:
    seen = [_versions(twins) for twins in _play(values, steps, ledger=ledger)]
    for before, after in itertools.pairwise(seen):
        assert before[0] <= after[0] and before[1] <= after[1]


@in_its_time
@given(_SAID, _STEPS)
def test_the_newest_word_of_the_cloud_holds_in_whatever_order_its_words_arrive(
    values: list[str], steps: list[int | MsgTwin | None]
) -> None:
    twins = _play(values, [step for step in steps if isinstance(step, int)], ledger=True)[-1]
    twins = _sync(twins, _cloud_says(values, len(values) - 1), ledger=True)
    for index in range(len(values)):
        twins = _sync(twins, _cloud_says(values, index), ledger=True)
    assert twins[NAME].expected == TwinValue(values[-1], 5) and twins[NAME].expected_version == Version(len(values), 0)


@in_its_time
@given(_SAID, _STEPS, _VALUES)
def test_what_the_board_has_set_never_locks_the_cloud_out(values: list[str], steps: list[int | MsgTwin | None], newer: str) -> None:
    twins = _play(values, steps, ledger=True)[-1]
    said = MsgTwin(TwinValue(newer, 1), None, False, "int", Version(len(values) + 1, 0))
    twin = _sync(twins, said, ledger=True)[NAME]
    assert twin.expected == TwinValue(newer, 5) and twin.expected_version == Version(len(values) + 1, 0)


@in_its_time
@given(_SAID, _STEPS, st.lists(st.booleans(), min_size=21, max_size=21), st.lists(st.booleans(), min_size=21, max_size=21))
def test_both_ends_hold_the_same_value_once_the_newest_report_has_come(
    values: list[str], steps: list[int | MsgTwin | None], superseded: list[bool], written_alone: list[bool]
) -> None:
    seen = [twins[NAME] for twins in _play(values, steps, ledger=True) if NAME in twins]
    device: dict[str, Any] = {}
    waiting = Report()
    for place, twin in enumerate(seen):
        if superseded[place % 21] and twin is not seen[-1]:
            continue
        waiting = waiting.then(twin_report(twin_update_content({NAME: twin.as_report()}, timestamp=5)))
        if written_alone[place % 21]:
            device, waiting = merged(device, waiting, frozenset({NAME})), Report()
    reported = twins_of(merged(device, waiting, frozenset({NAME}))).get(NAME, {}).get("reported", {})
    if seen and seen[-1].actual is not None:
        assert reported["value"] == seen[-1].actual.value
