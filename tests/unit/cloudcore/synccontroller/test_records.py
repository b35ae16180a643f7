"""The records of one node, as they are known while some of them wait to be written."""

from __future__ import annotations

from dataclasses import replace

from cloudcore.synccontroller.objectsync import Entry
from cloudcore.synccontroller.records import Pending, Records

ENTRY = Entry("edge1", "default", "pod", "web", "u1", "5", stored_at=10)
KEY = "default/pod/web"


def test_what_waits_to_be_written_counts_as_known() -> None:
    records = Records()
    records.seen(ENTRY)
    records.put(Pending(replace(ENTRY, version="6")))
    assert [entry.version for entry in records] == [entry.version for entry in records.of_key(KEY)] == ["6"]
    records.put(Pending(ENTRY, delete=True))
    assert list(records) == records.of_key(KEY) == []


def test_versions_that_wait_compare_as_numbers() -> None:
    records = Records()
    assert records.put(Pending(replace(ENTRY, version="10")))
    assert not records.put(Pending(replace(ENTRY, version="9")))
    assert records.pending["u1"].entry.version == "10"


def test_an_object_made_anew_under_its_name_has_a_record_of_its_own() -> None:
    records = Records()
    records.seen(ENTRY)
    records.put(Pending(replace(ENTRY, uid="u2", version="7")))
    assert [entry.uid for entry in records.of_key(KEY)] == ["u1", "u2"]
    records.written(Pending(ENTRY, delete=True))
    assert [entry.uid for entry in records.of_key(KEY)] == ["u2"]


def test_what_came_while_it_was_written_still_waits() -> None:
    records = Records()
    first = Pending(ENTRY)
    records.put(first)
    records.put(Pending(replace(ENTRY, version="6")))
    records.written(first)
    assert records.pending["u1"].entry.version == "6"


def test_what_somebody_else_takes_away_or_sets_back_is_told_from_what_we_did_ourselves() -> None:
    records = Records()
    assert not records.seen(ENTRY)
    assert not records.seen(replace(ENTRY, version="6", stored_at=11))
    assert records.seen(replace(ENTRY, version="2", stored_at=12))
    assert records.vanished(replace(ENTRY, stored_at=13))
    assert not records.vanished(replace(ENTRY, stored_at=13))
    records.seen(replace(ENTRY, stored_at=14))
    records.put(Pending(ENTRY, delete=True))
    assert not records.vanished(replace(ENTRY, stored_at=15))


def test_an_event_that_is_older_than_our_own_write_changes_nothing() -> None:
    records = Records()
    records.seen(replace(ENTRY, version="9", stored_at=20))
    assert not records.seen(ENTRY)
    assert [entry.version for entry in records] == ["9"]


def test_nothing_is_left_of_what_is_gone() -> None:
    records = Records()
    records.seen(ENTRY)
    records.vanished(replace(ENTRY, stored_at=11))
    assert not records and records._uids == {}
