"""The store on real SQLite: what is acknowledged is there, a failing work fails alone, a full disk heals, a corrupt file is put aside."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecore.errors import StoreError, StoreFull
from edgecore.store import metadata, outbox, subscriptions, twins, writer
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow, Tombstone
from edgecore.store.outbox import Rank
from edgecore.store.transaction import Transaction
from viaduct.message import Message, new_message


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "edgecore.db")
    yield database
    database.close()


def _row(key: str, value: str = "{}") -> MetaRow:
    return MetaRow(key, "pod", value, "u", "1")


def _message(content: str = "x") -> Message:
    return new_message(source="twin", group="resource", operation="update", resource="r", now_ms=7, content=content)


def _keys(database: Database) -> list[str]:
    return [row.key for row in database.read(lambda tx: metadata.load_type(tx, "pod"))]


class Gate:
    """A work that holds the writer, so that what is queued behind it becomes one batch."""

    def __init__(self, database: Database) -> None:
        self._open = threading.Event()
        self._entered = threading.Event()
        database.write(self._work)
        assert self._entered.wait(5)

    def _work(self, tx: Transaction) -> None:
        self._entered.set()
        assert self._open.wait(5)

    def open(self) -> None:
        self._open.set()


def test_the_file_and_its_companions_are_for_the_owner_only(database: Database, tmp_path: Path) -> None:
    database.write_and_wait(lambda tx: metadata.save(tx, _row("a")))
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert set(modes) >= {"edgecore.db", "edgecore.db-wal"}
    assert set(modes.values()) == {0o600}


def test_it_syncs_fully_in_wal_mode(database: Database) -> None:
    seen: dict[str, object] = {}

    def work(tx: Transaction) -> None:
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint"):
            seen[name] = tx.execute(f"PRAGMA {name}").fetchone()[0]

    database.write_and_wait(work)
    assert seen == {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 256}


def test_results_come_after_the_commit_in_the_order_of_the_calls(database: Database) -> None:
    seen: list[tuple[int, StoreError | None, bool]] = []
    finished = threading.Event()
    gate = Gate(database)
    for number in range(50):
        key = f"k{number:02}"

        def work(tx: Transaction, key: str = key) -> None:
            metadata.save(tx, _row(key))

        def done(error: StoreError | None, number: int = number, key: str = key) -> None:
            seen.append((number, error, key in _keys(database)))
            if number == 49:
                finished.set()

        database.write(work, done)
    gate.open()
    assert finished.wait(5)
    assert seen == [(number, None, True) for number in range(50)]


def test_a_failing_work_fails_alone(database: Database) -> None:
    outcomes: dict[int, StoreError | None] = {}
    finished = threading.Event()
    gate = Gate(database)
    for number in range(20):

        def work(tx: Transaction, number: int = number) -> None:
            metadata.save(tx, _row(f"k{number:02}"))
            if number == 7:
                tx.execute("INSERT INTO no_such_table VALUES (1)")
            if number == 13:
                raise RuntimeError("a bug")

        def done(error: StoreError | None, number: int = number) -> None:
            outcomes[number] = error
            if len(outcomes) == 20:
                finished.set()

        database.write(work, done)
    gate.open()
    assert finished.wait(5)
    assert [number for number, error in sorted(outcomes.items()) if error is not None] == [7, 13]
    assert "no_such_table" in str(outcomes[7])
    assert _keys(database) == [f"k{number:02}" for number in range(20) if number not in (7, 13)]


def test_only_the_last_value_of_a_row_is_written_in_one_commit_and_order_holds_against_other_statements(database: Database) -> None:
    def work(tx: Transaction) -> None:
        for number in range(5):
            twins.save_twin(tx, twins.TwinRow("d", "t", actual=str(number)))
        twins.delete_twin(tx, "d", "t")
        twins.save_twin(tx, twins.TwinRow("d", "t", actual="last"))
        twins.save_twin(tx, twins.TwinRow("d", "gone"))
        twins.delete_device(tx, "e")
        twins.delete_twin(tx, "d", "gone")

    database.write_and_wait(work)
    assert [(row.name, row.actual) for row in database.read(twins.load_all)[2]] == [("t", "last")]


def test_a_full_disk_is_told_apart_and_heals(tmp_path: Path) -> None:
    database = Database(tmp_path / "edgecore.db")
    try:

        def limit(tx: Transaction, pages: int) -> None:
            tx.execute(f"PRAGMA max_page_count = {pages}")

        database.write_and_wait(lambda tx: metadata.save(tx, _row("before")))
        database.write_and_wait(lambda tx: limit(tx, 1))
        with pytest.raises(StoreFull):
            database.write_and_wait(lambda tx: metadata.save(tx, _row("large", "x" * 200_000)))
        assert "full" in database.trouble
        assert _keys(database) == ["before"]
        database.write_and_wait(lambda tx: limit(tx, 100_000))
        database.write_and_wait(lambda tx: metadata.save(tx, _row("large", "x" * 200_000)))
        assert database.trouble == ""
        assert _keys(database) == ["before", "large"]
    finally:
        database.close()


def test_trouble_is_over_when_there_is_room_though_nobody_writes_and_not_while_only_a_little_goes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PROBE_PAUSE", 0.02)
    room = [False]
    database = Database(tmp_path / "edgecore.db")
    monkeypatch.setattr(database._writer, "_has_room", lambda: room[0])
    try:
        database.write_and_wait(lambda tx: tx.execute("PRAGMA max_page_count = 1").close())
        with pytest.raises(StoreFull):
            database.write_and_wait(lambda tx: metadata.save(tx, _row("large", "x" * 200_000)))
        database.write_and_wait(lambda tx: tx.execute("PRAGMA max_page_count = 100000").close())
        assert "full" in database.trouble, "small writes succeed, a large one would not"
        room[0] = True
        deadline = time.monotonic() + 5
        while database.trouble:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        database.close()


@pytest.mark.parametrize("content", [b"this is not a database at all, not even a little" * 100, None])
def test_a_corrupt_file_is_put_aside_and_a_fresh_one_made(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "edgecore.db"
    first = Database(path)
    for number in range(50):
        first.write_and_wait(lambda tx, number=number: metadata.save(tx, _row(f"k{number}", "y" * 3000)))
    first.close()
    if content is None:
        data = bytearray(path.read_bytes())
        data[4096 * 3 :] = b"\x5a" * (len(data) - 4096 * 3)
        path.write_bytes(data)
    else:
        path.write_bytes(content)
    second = Database(path)
    try:
        assert _keys(second) == []
        second.write_and_wait(lambda tx: metadata.save(tx, _row("fresh")))
        assert (tmp_path / "edgecore.db.corrupt").exists()
    finally:
        second.close()


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "edgecore.db"
    Database(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="later Bramble"):
        Database(path)
    assert not (tmp_path / "edgecore.db.corrupt").exists()


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Database(tmp_path / "file" / "edgecore.db")


def test_nothing_is_taken_after_the_close_and_everything_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "edgecore.db"
    database = Database(path)
    for number in range(200):
        database.write(lambda tx, number=number: metadata.save(tx, _row(f"k{number}")))
    database.close()
    with pytest.raises(StoreError, match="closed"):
        database.write(lambda tx: None)
    again = Database(path)
    assert len(_keys(again)) == 200
    again.close()


def test_a_full_queue_holds_the_caller_until_there_is_room(tmp_path: Path) -> None:
    database = Database(tmp_path / "edgecore.db", capacity=4)
    gate = Gate(database)
    for _ in range(4):
        database.write(lambda tx: None)
    passed = threading.Event()

    def one_more() -> None:
        database.write(lambda tx: metadata.save(tx, _row("late")))
        passed.set()

    thread = threading.Thread(target=one_more)
    thread.start()
    assert not passed.wait(0.1)
    gate.open()
    assert passed.wait(5)
    thread.join()
    database.close()


_CHILD = """
import sys
from edgecore.store.database import Database
from edgecore.store import metadata
from edgecore.store.outbox import Rank
from edgecore.store.metadata import MetaRow
database = Database(sys.argv[1])
for number in range(100000):
    row = MetaRow(f"k{number}", "pod", "x" * 500, "u", "1")
    database.write(lambda tx, row=row: metadata.save(tx, row), lambda error, key=row.key: print(key, flush=True))
"""


def test_whatever_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "edgecore.db"
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().strip() for _ in range(700)]
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += [line.strip() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.wait()
    database = Database(path)
    try:
        assert set(acknowledged) <= set(_keys(database))
        assert not (tmp_path / "edgecore.db.corrupt").exists()
    finally:
        database.close()


def test_a_newer_state_replaces_the_older_and_settling_the_older_leaves_it(database: Database) -> None:
    database.write_and_wait(lambda tx: outbox.owe(tx, _message("old"), key="s", lane="l"))
    (old,) = database.read(lambda tx: outbox.pending(tx, Rank.DEVICE, 0, 10))
    database.write_and_wait(lambda tx: outbox.owe(tx, _message("young"), key="s", lane="l"))
    database.write_and_wait(lambda tx: outbox.settled(tx, [old.id]))
    (young,) = database.read(lambda tx: outbox.pending(tx, Rank.DEVICE, old.id, 10))
    assert '"young"' in young.text
    assert young.id > old.id
    database.write_and_wait(lambda tx: outbox.settled(tx, [young.id]))
    assert database.read(outbox.count) == 0


def test_events_keep_their_order_beside_states(database: Database) -> None:
    def work(tx: Transaction) -> None:
        for number in range(10):
            outbox.owe(tx, _message(str(number)), lane="upload/e")
        outbox.owe(tx, _message("state"), key="s", lane="s")

    database.write_and_wait(work)
    events = database.read(lambda tx: outbox.pending(tx, Rank.UPLOAD, 0, 20))
    assert [row.text.rsplit(":", 1)[1] for row in events] == [f'"{number}"}}' for number in range(10)]
    assert len(database.read(lambda tx: outbox.pending(tx, Rank.DEVICE, 0, 10))) == 1


def test_tombstones_and_subscriptions_are_kept(database: Database) -> None:
    def work(tx: Transaction) -> None:
        metadata.bury(tx, Tombstone("k", "u", "5", 1))
        metadata.bury(tx, Tombstone("gone", "u", "5", 2))
        metadata.unbury(tx, "gone")
        subscriptions.add(tx, "b")
        subscriptions.add(tx, "a")
        subscriptions.add(tx, "a")
        subscriptions.remove(tx, "b")

    database.write_and_wait(work)
    assert database.read(metadata.load_tombstones) == [Tombstone("k", "u", "5", 1)]
    assert database.read(subscriptions.load_all) == ["a"]


def test_what_is_held_names_devices_and_versioned_objects_only(database: Database) -> None:
    def work(tx: Transaction) -> None:
        metadata.save(tx, _row("default/pod/a"))
        metadata.save(tx, MetaRow("default/podstatus/a", "podstatus", "{}", "u"))
        twins.save_device(tx, twins.DeviceRow("d", uid="du", version="9"))

    database.write_and_wait(work)
    assert database.read(metadata.held) == [("default/pod/a", "u", "1")]
    assert database.read(twins.held) == [("d", "du", "9")]
