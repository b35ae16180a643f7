from __future__ import annotations

import argparse

import pytest

from edgecore.localapi import flags


def test_times_are_written_as_for_kubectl() -> None:
    assert [flags.duration(text) for text in ("5s", "1h30m", "0s", "1.5h", "250ms")] == [5.0, 5400.0, 0.0, 5400.0, 0.25]
    assert flags.moment("2026-01-31T12:00:00Z") == flags.moment("2026-01-31T14:00:00+02:00") == 1769860800


@pytest.mark.parametrize("text", ["", "5", "h", "-5m", "5d", "٣m", "1h 30m", "1e9s", "9" * 60 + "s"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a time such as"):
        flags.duration(text)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z", "1901-01-01T00:00:00Z", "0001-01-01T00:00:00+23:00"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a time such as"):
        flags.moment(text)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "٣", "9" * 16])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number"):
        flags.count(text)
