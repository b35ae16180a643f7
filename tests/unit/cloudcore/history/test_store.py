"""The file of samples: each once, found by time, under its caps, and what is dropped is counted (D1, D3, D7, D8)."""

from __future__ import annotations

import random
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudcore.errors import HistoryError
from cloudcore.history import store as module
from cloudcore.history.sample import Caps, Query
from cloudcore.history.store import HistoryStore, read
from tests.unit.cloudcore.history.batches import T0, batch

CAPS = Caps(64 * 1024 * 1024, 86_400)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.db"


@pytest.fixture
def store(path: Path) -> Iterator[HistoryStore]:
    made = HistoryStore(path, CAPS)
    yield made
    made.close()


def _values(path: Path, device: str = "thermo", node: str = "edge1", **more: int) -> list[str]:
    return [value for _, value in read(path, Query(node, device, "t", **more))]


def test_a_sample_is_there_once_however_often_and_in_whatever_batches_it_comes(store: HistoryStore, path: Path) -> None:
    assert store.write([batch("1", "2", "3")]) == [3]
    assert store.write([batch("1", "2", "3")]) == [0]
    assert store.write([batch("9", "9", "9", "4"), batch("5", first=T0 + 4000)]) == [1, 1]
    assert _values(path) == ["1", "2", "3", "4", "5"] and store.held == 5


def test_any_order_of_any_repeats_gives_the_same_file(tmp_path: Path) -> None:
    batches = [batch(*(str(number + each) for each in range(4)), first=T0 + 1000 * number) for number in range(20)]
    for seed in range(5):
        path = tmp_path / f"{seed}.db"
        made = HistoryStore(path, CAPS)
        said = batches * 3
        random.Random(seed).shuffle(said)
        for one in said:
            made.write([one])
        made.close()
        assert _values(path) == [str(number) for number in range(23)]


def test_a_node_writes_under_its_own_name_only(store: HistoryStore, path: Path) -> None:
    store.write([batch("1"), batch("2", node="edge2"), batch("3", device="other")])
    assert (_values(path), _values(path, node="edge2"), _values(path, device="other")) == (["1"], ["2"], ["3"])


def test_a_question_names_the_time_and_how_many(store: HistoryStore, path: Path) -> None:
    store.write([batch(*map(str, range(10)))])
    assert _values(path, since_ms=T0 + 2000, until_ms=T0 + 4000) == ["2", "3", "4"]
    assert _values(path, limit=2) == ["8", "9"]


def test_what_is_not_known_is_named_and_so_is_what_is(store: HistoryStore, path: Path, tmp_path: Path) -> None:
    store.write([batch("1"), batch("1", device="other", name="u")])
    with pytest.raises(HistoryError, match=r"no samples of t of edge1/other; there are of: u$"):
        _values(path, device="other")
    with pytest.raises(HistoryError, match=r"no samples of edge9/thermo; there are of: edge1/other, edge1/thermo$"):
        _values(path, node="edge9")
    with pytest.raises(HistoryError, match="no such file; name the file of samples with --file"):
        _values(tmp_path / "none.db")


def test_a_file_that_is_too_large_drops_the_oldest_of_who_has_most_in_the_same_commit(path: Path) -> None:
    made = HistoryStore(path, Caps(200_000, 86_400))
    made.write([batch(*["1"] * 100, node="small")])
    for start in range(60):
        made.write([batch(*["21.5"] * 1000, node="flood", first=T0 + start * 1_000_000)])
    assert made.bytes < 300_000
    assert made.dropped["size"] == 60_100 - made.held > 0
    assert len(_values(path, node="small")) == 100
    assert read(path, Query("flood", "thermo", "t"))[-1][0] == T0 + 59_999_000
    made.close()
    again = HistoryStore(path, CAPS)
    assert (again.held, again.dropped["size"]) == (made.held, made.dropped["size"])
    again.close()


def test_what_is_too_old_goes_in_steps(store: HistoryStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DROPPED_AT_ONCE", 30)
    store.write([batch(*["1"] * 100), batch(*["1"] * 10, device="other", first=T0 + 86_400_000)])
    now = T0 + 86_400_000 + 50_000
    steps = []
    while dropped := store.drop_old(now):
        steps.append(dropped)
    assert steps == [30, 20] and store.held == 60 and dict(store.dropped) == {"age": 50}
    assert len(_values(path)) == 50


def test_a_write_that_fails_changes_nothing(store: HistoryStore, path: Path) -> None:
    store.write([batch("1")])
    blocker = sqlite3.connect(path)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="refused the write"):
        store.write([batch("2", first=T0 + 9000)])
    blocker.rollback()
    blocker.close()
    assert store.held == 1 and store.write([batch("2", first=T0 + 9000)]) == [1]


def test_the_file_is_for_its_owner_and_a_foreign_one_is_left_alone(store: HistoryStore, path: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"no database at all, and long enough to be looked at")
    with pytest.raises(HistoryError, match=r"foreign\.db"):
        HistoryStore(foreign, CAPS)
    with pytest.raises(HistoryError, match=r"foreign\.db"):
        _values(foreign)
    later = sqlite3.connect(tmp_path / "later.db")
    later.execute("PRAGMA user_version = 9")
    later.close()
    with pytest.raises(HistoryError, match="schema version 9"):
        HistoryStore(tmp_path / "later.db", CAPS)
