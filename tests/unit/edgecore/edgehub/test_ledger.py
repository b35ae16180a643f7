"""The outbox as EdgeHub works with it, over a real store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecore.edgehub import ledger as module
from edgecore.edgehub.ledger import Ledger
from edgecore.errors import StoreFull
from edgecore.store import outbox
from edgecore.store.database import Database
from edgecore.store.outbox import Rank
from edgecore.store.transaction import Transaction


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "edgecore.db")
    yield database
    database.close()


def _owe(database: Database, events: int, states: int = 0) -> None:
    def work(tx: Transaction) -> None:
        for number in range(events):
            outbox.owe_text(tx, f"e{number}", "x", 1, key=None, lane="upload/a")
        for number in range(states):
            outbox.owe_text(tx, f"s{number}", "x", 1, key=f"twin/d/{number}", lane="device/d")

    database.write_and_wait(work)


def _read(ledger: Ledger, now: float, *full: Rank) -> list[str]:
    return [row.msg_id for _, row in ledger.read(now, lambda rank: rank not in full)]


def test_states_are_read_while_there_is_no_room_for_events(database: Database) -> None:
    _owe(database, 1000, 3)
    ledger = Ledger(database)
    ledger.begin()
    assert _read(ledger, 1.0, Rank.UPLOAD) == ["s0", "s1", "s2"]
    assert _read(ledger, 2.0, Rank.UPLOAD) == []
    assert _read(ledger, 3.0)[0] == "e0"


def test_pages_follow_each_other_and_each_row_comes_once(database: Database) -> None:
    _owe(database, 600)
    ledger = Ledger(database)
    ledger.begin()
    found: list[str] = []
    now = 1.0
    while (when := ledger.next_read(lambda rank: True)) is not None:
        now = max(when, now) + 0.01
        found += _read(ledger, now)
    assert found == [f"e{number}" for number in range(600)]


def test_what_is_settled_and_not_yet_written_is_not_sent_on_the_next_connection(database: Database) -> None:
    _owe(database, 3)
    ledger = Ledger(database)
    ledger.begin()
    rows = ledger.read(1.0, lambda rank: True)
    ledger.settle([rows[0][1].id])
    ledger.begin()
    assert _read(ledger, 2.0) == ["e1", "e2"]


def test_a_failed_write_is_tried_again_after_a_pause(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _owe(database, 2)
    ledger = Ledger(database)
    ledger.begin()
    rows = [row for _, row in ledger.read(1.0, lambda rank: True)]
    ledger.settle([rows[0].id])
    ledger.settle([rows[1].id], refused=True)
    with monkeypatch.context() as full:
        full.setattr(database, "write", lambda work, done: done(StoreFull("full")))
        ledger.flush()
    ledger.work(time.monotonic())
    assert database.read(outbox.count) == 2
    ledger.work(time.monotonic() + module._FAILED_PAUSE)
    database.write_and_wait(lambda tx: None)
    assert database.read(outbox.count) == 0
    assert database.read(outbox.dropped) == {"refused": 1}
