"""The ring of samples: what is written when, what is kept, what is owed, and that the counts of what is lost are true (D7, S2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.errors import StoreFull
from edgecore.store import history, outbox, recorder
from edgecore.store.database import Database
from edgecore.store.history import Caps, Segment
from edgecore.store.outbox import Rank
from edgecore.store.recorder import Flash, Recorder, Sample
from edgecore.store.transaction import Transaction
from edgecore.store.writer import Done, Work
from viaduct.codec import decode
from viaduct.samples import Series, pack, parse_content

T0 = 1_700_000_000_000
CAP = 10_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "edgecore.db", history_caps=Caps(max_bytes=CAP))
    yield made
    made.close()


def _sample(number: int, value: str = "21.5", *, name: str = "t", upward: bool = True) -> Sample:
    return Sample("d1", name, "float", T0 + number * 1000, value, upward)


def _written(database: Database) -> None:
    database.write_and_wait(lambda tx: None)


def _segment(number: int, *, size: int = 1000, owed: bool = True) -> Segment:
    return Segment(T0 + number, T0 + number, 10, bytes(size), owed)


def _add(*segments: Segment) -> Callable[[Transaction], None]:
    return lambda tx: history.add(tx, segments)


def _held(database: Database) -> history.Holding:
    return database.read(history.held)


def test_samples_wait_for_the_pause_and_go_in_one_commit(database: Database) -> None:
    commits: list[int] = []
    made = Recorder(database, Flash(pause=300), owed=lambda: commits.append(1))
    for second in range(300):
        made.add([_sample(second), _sample(second, name="h")], now=float(second))
        made.work(float(second))
    _written(database)
    assert _held(database).segments == 0 and made.next_time() == 300
    made.work(300.0)
    _written(database)
    assert (_held(database).segments, _held(database).samples, commits) == (1, 600, [1])


def test_what_is_not_written_yet_can_be_read_all_the_same(database: Database) -> None:
    made = Recorder(database)
    made.add([_sample(number, str(number)) for number in range(5)], now=0)
    made.flush(0)
    _written(database)
    made.add([_sample(number, str(number)) for number in range(5, 8)], now=1)
    assert [value for _, value in made.read("d1", "t", 0, T0 * 2, 100)] == ["0", "1", "2", "3", "4", "5", "6", "7"]
    assert [value for _, value in made.read("d1", "t", T0 + 2000, T0 + 6000, 100)] == ["2", "3", "4", "5", "6"]
    assert [value for _, value in made.read("d1", "t", 0, T0 * 2, 3)] == ["5", "6", "7"]
    assert made.read("d1", "other", 0, T0 * 2, 3) == [] and made.read("d2", "t", 0, T0 * 2, 3) == []


@pytest.mark.parametrize(("megabytes_a_day", "commits"), [(10, 14), (1000, 59)])
def test_a_commit_that_cost_much_is_followed_by_a_longer_pause(tmp_path: Path, megabytes_a_day: int, commits: int) -> None:
    """10 properties at 1 Hz for an hour, a commit a minute at most."""
    database, made = Database(tmp_path / "other.db"), []
    taking = Recorder(database, Flash(pause=60, bytes_a_day=megabytes_a_day * 1024 * 1024), owed=lambda: made.append(1))
    for second in range(3600):
        values = [Sample("d1", f"p{each}", "float", T0 + second * 1000, f"{second * 7919 % 1000 / 10}") for each in range(10)]
        taking.add(values, float(second))
        taking.work(float(second))
        _written(database)
    assert len(made) == commits
    assert len(taking.read("d1", "p0", 0, T0 * 2, 10_000)) == 3600
    database.close()


def test_what_comes_faster_than_the_flash_may_take_is_thinned_and_counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MOST_WAITING", 100)
    made = Recorder(database, Flash(pause=300))
    for number in range(1000):
        made.add([_sample(number, str(number))], now=0)
    made.flush(0)
    _written(database)
    held, dropped = _held(database).samples, database.read(outbox.dropped)
    assert 50 <= held <= 100 and dropped == {"samples_thinned": 1000 - held}
    moments = [moment for moment, _ in made.read("d1", "t", 0, T0 * 2, 1000)]
    assert moments[0] == T0 and moments[-1] >= T0 + 990_000


def test_a_full_ring_drops_the_oldest_and_counts_what_the_cloud_has_not_got(database: Database) -> None:
    database.write_and_wait(_add(*(_segment(number) for number in range(10))))
    first, _ = database.hand_out(Rank.SAMPLES, 0, 2)
    database.write_and_wait(lambda tx: outbox.settled(tx, [first.id]))
    database.write_and_wait(_add(_segment(10), _segment(11)))
    assert _held(database).bytes <= CAP
    dropped = database.read(outbox.dropped)
    left = database.read(lambda tx: [row[0] for row in tx.execute("SELECT id FROM history ORDER BY id").fetchall()])
    assert 1 not in left, "the cloud has it: it goes, and costs nothing"
    assert 2 in left, "it was handed out to be sent"
    assert dropped == {"samples_size": 10 * (12 - len(left) - 1)}


def test_what_is_kept_for_the_board_alone_is_neither_owed_nor_missed(database: Database) -> None:
    database.write_and_wait(_add(*(_segment(number, owed=False) for number in range(15))))
    assert database.hand_out(Rank.SAMPLES, 0, 10) == [] and database.read(outbox.count) == 0
    assert database.read(outbox.dropped) == {} and _held(database).bytes <= CAP


def test_what_is_old_goes_by_the_time_that_the_node_has_run() -> None:
    import sqlite3

    from edgecore.store.schema import MIGRATIONS

    connection = sqlite3.connect(":memory:")
    for statement in (statement for step in MIGRATIONS for statement in step):
        connection.execute(statement)
    for stamp in (0, 50, 100):
        history.add(Transaction(connection, stamp), [_segment(stamp, owed=stamp > 0)])
    caps = Caps(max_age=40)
    assert history.keep_caps(Transaction(connection, 100), caps, handed_out=0) == {"samples_age": 10}
    assert history.newest_stamp(Transaction(connection, 0)) == 100
    assert connection.execute("SELECT count(*) FROM history_data").fetchone() == (1,)


def test_what_is_owed_is_a_message_with_the_samples_and_stays_on_the_board_when_it_is_taken(database: Database) -> None:
    series = Series("d1", "t", "float", (T0, T0 + 1000), ("1", "2"))
    database.write_and_wait(_add(Segment(T0, T0 + 1000, 2, pack([series]), True), _segment(5)))
    (row,) = database.hand_out(Rank.SAMPLES, 0, 1)
    message = decode(row.text)
    assert message.id == row.msg_id and parse_content(message.content) == [series] and message.content["count"] == 2
    assert (message.route.source, message.route.operation, message.route.resource) == ("twin", "upload", "samples")
    (other,) = database.hand_out(Rank.SAMPLES, row.id, 10)
    assert other.id != row.id and database.hand_out(Rank.SAMPLES, other.id, 10) == []
    database.write_and_wait(lambda tx: outbox.settled(tx, [row.id]))
    assert [each.id for each in database.hand_out(Rank.SAMPLES, 0, 10)] == [other.id]
    database.write_and_wait(lambda tx: outbox.refused(tx, [other.id]))
    assert database.read(outbox.dropped) == {"samples_refused": 10}
    assert database.hand_out(Rank.SAMPLES, 0, 10) == [] and _held(database).segments == 2


def test_what_a_full_disk_refuses_waits_in_memory_in_its_order(database: Database) -> None:
    class Refusing:
        full = True

        def write(self, work: Work, done: Done | None = None) -> None:
            if self.full:
                raise StoreFull("disk full")
            database.write(work, done)

        def read(self, work: Callable[[Transaction], Any]) -> Any:
            return database.read(work)

    store = Refusing()
    made = Recorder(store, Flash(pause=1))  # type: ignore[arg-type]
    made.add([_sample(0, "a")], now=0)
    made.work(10.0)
    made.add([_sample(1, "b")], now=11)
    assert [value for _, value in made.read("d1", "t", 0, T0 * 2, 10)] == ["a", "b"]
    assert (made.next_time() or 0) > time.monotonic() + 20, "not at once again"
    store.full = False
    made.flush(12)
    _written(database)
    assert _held(database).samples == 2 and database.read(outbox.dropped) == {}


def test_a_large_commit_is_split_so_that_no_frame_is_long(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MOST_IN_SEGMENT", 100)
    made = Recorder(database)
    made.add([_sample(number, name=f"p{number % 3}", upward=number % 3 > 0) for number in range(750)], now=0)
    made.flush(0)
    _written(database)
    assert _held(database).samples == 750 and database.read(history.owed).samples == 500
    assert all(decode(row.text).content["count"] <= 100 for row in database.hand_out(Rank.SAMPLES, 0, 100))
