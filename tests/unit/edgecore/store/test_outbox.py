"""What waits for the cloud: by rank, under its caps, and what a cap dropped is what the count says (D7)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecore.store import outbox, schema
from edgecore.store.ceiling import Caps, Ceiling
from edgecore.store.database import Database
from edgecore.store.outbox import Rank
from edgecore.store.transaction import Transaction

CAP = 10_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "edgecore.db", caps=Caps(max_bytes=CAP))
    yield database
    database.close()


def _event(tx: Transaction, number: int, lane: str = "upload/a", size: int = 100) -> None:
    outbox.owe_text(tx, f"m{number}", f"{number:0{size}}", 1, key=None, lane=lane)


def _events(number: int, lane: str = "upload/a", *, first: int = 0) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        for each in range(first, first + number):
            _event(tx, each, lane)

    return work


def _ids(database: Database, rank: Rank) -> list[str]:
    return [row.msg_id for row in database.read(lambda tx: outbox.pending(tx, rank, 0, 1_000_000))]


@pytest.mark.parametrize(
    ("key", "lane", "rank"),
    [
        ("podstatus/default/web", "podstatus/default/web", Rank.STATUS),
        ("twin/d/t", "device/d", Rank.DEVICE),
        ("state/d", "device/d", Rank.DEVICE),
        (None, "upload/SYS/dis/upload_records", Rank.UPLOAD),
        (None, "event/default/web", Rank.EVENT),
    ],
)
def test_what_goes_first(key: str | None, lane: str, rank: Rank) -> None:
    assert outbox.rank_of(key, lane) is rank


def test_over_the_cap_the_oldest_uploads_go_and_the_count_says_how_many(database: Database) -> None:
    for first in range(0, 1000, 50):
        database.write_and_wait(_events(50, first=first))
    kept = _ids(database, Rank.UPLOAD)
    assert kept == [f"m{number}" for number in range(900, 1000)]
    assert database.read(outbox.dropped) == {"size": 900}
    assert database.read(outbox.held)[Rank.UPLOAD] == outbox.Held(100, CAP, 0)


def test_uploads_go_before_events_and_no_flood_of_either_takes_a_state(database: Database) -> None:
    def states(tx: Transaction) -> None:
        for number in range(200):
            outbox.owe_text(tx, f"s{number}", "x" * 500, 1, key=f"twin/d/{number}", lane="device/d")

    database.write_and_wait(states)
    database.write_and_wait(_events(60, "event/web"))
    database.write_and_wait(_events(60, "upload/a"))
    assert len(_ids(database, Rank.EVENT)) == 60
    assert len(_ids(database, Rank.UPLOAD)) == 40
    database.write_and_wait(_events(100, "event/web", first=60))
    assert _ids(database, Rank.UPLOAD) == []
    assert _ids(database, Rank.EVENT) == [f"m{number}" for number in range(60, 160)]
    assert len(_ids(database, Rank.DEVICE)) == 200
    assert database.read(outbox.dropped) == {"size": 120}


def test_what_has_become_too_old_goes_even_when_nothing_is_added() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statements in schema.MIGRATIONS:
        for statement in statements:
            connection.execute(statement)
    ceiling = Ceiling(Caps(max_age=100))
    for stamp in (0, 50, 90):
        _event(Transaction(connection, stamp), stamp)
    for stamp, left in ((100, 3), (101, 2), (150, 2), (151, 1)):
        tx = Transaction(connection, stamp)
        ceiling.keep(tx)
        assert outbox.count(tx) == left
    assert outbox.dropped(Transaction(connection)) == {"age": 2}


def test_a_clock_that_is_set_makes_nothing_old(tmp_path: Path) -> None:
    database = Database(tmp_path / "edgecore.db", caps=Caps(max_age=1000))
    database.write_and_wait(lambda tx: outbox.owe_text(tx, "m", "x", 0, key=None, lane="upload/a"))
    database.write_and_wait(lambda tx: outbox.owe_text(tx, "n", "x", 2_050_000_000_000, key=None, lane="upload/a"))
    database.write_and_wait(outbox.look_at_caps)
    assert _ids(database, Rank.UPLOAD) == ["m", "n"]
    database.close()


def test_age_goes_on_counting_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "edgecore.db"
    first = Database(path)
    first.write_and_wait(_events(1))
    first.write_and_wait(lambda tx: tx.execute("UPDATE outbox SET stamp = 5000").close())
    first.close()
    second = Database(path)
    try:
        assert second.read(lambda tx: tx.stamp) >= 5000
    finally:
        second.close()


def test_what_is_being_sent_is_not_dropped(database: Database) -> None:
    database.write_and_wait(_events(50))
    assert len(database.hand_out(Rank.UPLOAD, 0, 10)) == 10
    database.write_and_wait(_events(100, first=50))
    assert _ids(database, Rank.UPLOAD) == [f"m{number}" for number in (*range(10), *range(60, 150))]
    assert database.read(outbox.dropped) == {"size": 50}


def test_a_drop_is_said_once(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    for first in range(0, 2000, 100):
        database.write_and_wait(_events(100, first=first))
    said = [record.getMessage() for record in caplog.records if "outbox" in record.getMessage()]
    assert said == ["the outbox is over its cap of 0 MB: the oldest uploads are dropped and counted"]


def test_what_the_cloud_refused_is_counted_once_and_a_row_that_is_gone_not_at_all(database: Database) -> None:
    database.write_and_wait(_events(3))
    ids = [row.id for row in database.hand_out(Rank.UPLOAD, 0, 10)]
    database.write_and_wait(lambda tx: outbox.refused(tx, ids[:2]))
    database.write_and_wait(lambda tx: outbox.refused(tx, ids[:2]))
    database.write_and_wait(lambda tx: outbox.settled(tx, ids))
    assert database.read(outbox.dropped) == {"refused": 2}
    assert database.read(outbox.held)[Rank.UPLOAD].rows == 0


_CHILD = """
import sys
from edgecore.store import outbox
from edgecore.store.ceiling import Caps
from edgecore.store.database import Database
database = Database(sys.argv[1], caps=Caps(max_bytes=20_000))
for number in range(1_000_000):
    text = f"{number:0100}"
    database.write(
        lambda tx, text=text, number=number: outbox.owe_text(tx, f"m{number}", text, 1, key=None, lane="upload/a"),
        lambda error, number=number: print(number, flush=True),
    )
"""


def test_the_count_is_true_after_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "edgecore.db"
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(1500):
        child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    database = Database(path)
    try:
        kept = [int(msg_id[1:]) for msg_id in _ids(database, Rank.UPLOAD)]
        assert kept == list(range(kept[0], kept[-1] + 1))
        assert database.read(outbox.dropped) == {"size": kept[0]}
    finally:
        database.close()


def test_a_database_of_before_the_caps_keeps_what_it_owes(tmp_path: Path) -> None:
    path = tmp_path / "edgecore.db"
    connection = sqlite3.connect(path)
    for statement in schema.MIGRATIONS[0]:
        connection.execute(statement)
    insert = "INSERT INTO outbox (lane, key, msg_id, message, created_ms) VALUES (?, ?, ?, ?, 1)"
    rows = [
        ("podstatus/a/b", "podstatus/a/b", "p", "1"),
        ("device/d", "twin/d/t", "t", "22"),
        ("upload/x", None, "u", "333"),
        ("e", None, "e", "ö"),
    ]
    connection.executemany(insert, rows)
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    database = Database(path)
    try:
        assert [_ids(database, rank) for rank in Rank] == [["p"], ["t"], ["e"], ["u"], []]
        held = database.read(outbox.held)
        assert [held[rank].bytes for rank in Rank] == [1, 2, 2, 3, 0]
    finally:
        database.close()
