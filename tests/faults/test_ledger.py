"""Rows that are kept from one count to the next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.faults import ledger, report
from tests.faults.ledger import Entry
from tests.faults.matrix import Row
from tests.faults.tally import Count

ROW = Row("online", Count(sent=9, delivered=9), 0.5, 61.0, (), ("it rained",))
ENTRY = Entry(ROW, "2026-01-02", "0123456789", "2 cores of a kind")


def test_a_row_that_is_counted_again_takes_the_place_of_the_old_one_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "counted.json"
    other = replace(ENTRY, row=replace(ROW, profile="resets", converged=float("inf"), remarks=("a stands still",)))
    newer = replace(ENTRY, row=replace(ROW, count=Count(sent=10, delivered=10)), when="2026-02-03")
    for entry in (ENTRY, other, newer):
        ledger.keep(entry, file)
    assert ledger.entries(file, order=("resets", "gone", "online")) == [other, newer]


def test_the_page_says_when_each_row_was_counted_and_what_was_not(tmp_path: Path) -> None:
    text = report.document([ENTRY], missing=["disk-full"])
    assert "| online | 9 | 9 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0.5 | 2026-01-02, 0123456789 |" in text
    assert "On 2 cores of a kind." in text
    assert "Not counted in full yet: disk-full." in text
    assert "- online: it rained." in text
