"""The file of records: once, in order, under its caps, and durable (D1, D3, D7)."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudcore.errors import RecordsError
from cloudcore.records.record import Caps, Query, Record
from cloudcore.records.store import RecordStore, read

MB = 1024 * 1024
DAY_MS = 86_400_000
Opening = Callable[..., RecordStore]


def _record(number: int, node: str = "edge1", topic: str = "t", *, stored_ms: int = 1000, content: str = "") -> Record:
    return Record(node, topic, f"m{number}", 1, stored_ms, content or str(number))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "records.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Opening]:
    stores: list[RecordStore] = []

    def make(max_bytes: int = MB, max_age: int = 86_400) -> RecordStore:
        stores.append(RecordStore(path, Caps(max_bytes, max_age)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def _contents(path: Path, **query: object) -> list[str]:
    return [each.content for each in read(path, Query(limit=100_000, **query))]  # type: ignore[arg-type]


def test_records_are_read_beside_the_running_process_in_the_order_in_which_they_came(opened: Opening, path: Path) -> None:
    opened().write([_record(number) for number in (3, 1, 2)], now_ms=1000)
    assert _contents(path) == ["3", "1", "2"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_record_that_comes_again_is_stored_once_and_of_another_node_it_is_another(opened: Opening, path: Path) -> None:
    store = opened()
    assert store.write([_record(1), _record(1, content="again")], now_ms=1000) == 1
    assert store.write([_record(1), _record(1, "edge2")], now_ms=1000) == 1
    assert _contents(path) == ["1", "1"]
    assert store.holding.number == {"edge1": 1, "edge2": 1}


def test_over_the_cap_the_oldest_of_the_node_that_has_most_go_and_are_counted(opened: Opening, path: Path) -> None:
    store = opened(max_bytes=20_000)
    store.write([_record(number, "small", content="s") for number in range(5)], now_ms=1000)
    for number in range(100):
        store.write([_record(number, "flood", content="f" * 900)], now_ms=1000)
    assert _contents(path, node="small") == ["s"] * 5
    kept = [each.msg_id for each in read(path, Query(node="flood"))]
    assert kept == [f"m{number}" for number in range(100 - len(kept), 100)]
    assert store.holding.dropped == {"size": 100 - len(kept)}
    assert sum(store.holding.bytes.values()) <= 20_000


def test_one_commit_that_is_larger_than_the_cap_keeps_its_newest(opened: Opening, path: Path) -> None:
    store = opened(max_bytes=20_000)
    store.write([_record(number, content="f" * 900) for number in range(2000)], now_ms=1000)
    kept = read(path, Query())
    assert kept[-1].msg_id == "m1999" and store.holding.dropped == {"size": 2000 - len(kept)}


def test_what_is_too_old_goes_and_is_counted(opened: Opening, path: Path) -> None:
    store = opened()
    store.write([_record(number, stored_ms=1000) for number in range(1200)], now_ms=1000)
    store.write([_record(5000, stored_ms=DAY_MS)], now_ms=DAY_MS)
    assert len(_contents(path)) == 1201
    store.write([], now_ms=DAY_MS + 1001)
    assert _contents(path) == ["5000"]
    assert store.holding.dropped == {"age": 1200}


def test_what_it_holds_and_dropped_is_known_after_a_restart(opened: Opening) -> None:
    first = opened(max_bytes=20_000)
    first.write([_record(number, content="f" * 900) for number in range(100)], now_ms=1000)
    first.close()
    assert opened(max_bytes=20_000).holding == first.holding


def test_a_write_returned_means_it_is_there_after_kill_9(path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from cloudcore.records.record import Caps, Record
from cloudcore.records.store import RecordStore
store = RecordStore(Path({str(path)!r}), Caps(1 << 20, 86400))
store.write([Record("edge1", "t", "m1", 1, 1000, "kept")], now_ms=1000)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert _contents(path) == ["kept"]


def test_a_full_disk_takes_nothing_and_says_so(opened: Opening, path: Path) -> None:
    store = opened()
    store._connection.execute(f"PRAGMA max_page_count={store._connection.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(RecordsError, match="refused the write"):
        store.write([_record(1), _record(2, content="x" * 100_000)], now_ms=1000)
    assert _contents(path) == [] and not store.holding.number
    store._connection.execute("PRAGMA max_page_count=100000")
    store.write([_record(1)], now_ms=1000)
    assert _contents(path) == ["1"]


def test_a_query_asks_for_node_topic_time_and_the_newest(opened: Opening, path: Path) -> None:
    opened().write(
        [_record(1), _record(2, "edge2"), _record(3, topic="other"), _record(4, stored_ms=2000), _record(5, stored_ms=2000)], now_ms=2000
    )
    assert _contents(path, node="edge2") == ["2"]
    assert _contents(path, topic="other") == ["3"]
    assert _contents(path, since_ms=2000) == ["4", "5"]
    assert [each.content for each in read(path, Query(limit=2))] == ["4", "5"]
    assert _contents(path, node="' OR 1=1 --") == []


def test_a_file_that_is_not_one_of_records_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("no database, but long enough to look like one" * 100)
    with pytest.raises(RecordsError, match="not a database"):
        RecordStore(path, Caps(MB, 1))
    assert path.read_text().startswith("no database")
    with pytest.raises(RecordsError):
        read(path, Query())
    with pytest.raises(RecordsError, match="no such file"):
        read(path.with_name("nowhere"), Query())


def test_a_file_of_a_later_version_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=7")
    connection.close()
    for work in (lambda: RecordStore(path, Caps(MB, 1)), lambda: read(path, Query())):
        with pytest.raises(RecordsError, match="schema version 7"):
            work()
