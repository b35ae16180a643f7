"""The store: what was answered is on the disk, and the past can be told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cloudstub.errors import BadRequest, Gone, StorageFull
from cloudstub.store.broadcast import Subscription
from cloudstub.store.database import Database, StoreError
from cloudstub.store.records import Change, Key, Object
from cloudstub.store.store import Store


def thing(name: str, value: int = 0) -> Object:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": name, "uid": f"uid-{name}"}, "value": value}


def key(name: str) -> Key:
    return Key("things", "default", name)


def with_store(path: Path, act: Callable[[Store], Awaitable[None]], now_ms: Callable[[], int] = lambda: 0) -> None:
    async def run() -> None:
        store = Store(Database(path / "store.db"), now_ms=now_ms)
        try:
            await act(store)
        finally:
            store.close()

    asyncio.run(run())


def watched(store: Store, after: int) -> list[tuple[str, str, int]]:
    seen: list[tuple[str, str, int]] = []

    def note(change: Change) -> None:
        seen.append((change.type, change.key.name, change.after.value["value"]))

    store.subscribe(Subscription("things", note), after=after)
    return seen


def test_a_write_is_seen_by_readers_only_after_its_commit(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        store.put(key("a"), thing("a"))
        assert store.get(key("a")) is None
        assert store.peek(key("a")) is not None
        await store.committed()
        assert store.get(key("a")) is not None

    with_store(tmp_path, act)


def test_writes_of_one_turn_share_one_commit(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        commits = 0
        write = store._database.write

        def counted(changes: list[Change], *, at_ms: int) -> None:
            nonlocal commits
            commits += 1
            write(changes, at_ms=at_ms)

        store._database.write = counted  # type: ignore[assignment,method-assign]

        async def one(name: str) -> None:
            store.put(key(name), thing(name))
            await store.committed()

        await asyncio.gather(*(one(f"n{i}") for i in range(50)))
        assert commits == 1
        assert store.count("things") == 50

    with_store(tmp_path, act)


def test_what_was_committed_is_there_when_the_store_opens_again(tmp_path: Path) -> None:
    async def write(store: Store) -> None:
        store.put(key("a"), thing("a", 1))
        store.put(key("b"), thing("b", 1))
        store.remove(key("b"))
        await store.committed()

    async def read(store: Store) -> None:
        assert store.revision == 3
        record = store.get(key("a"))
        assert record is not None and record.value["value"] == 1
        assert record.value["metadata"]["resourceVersion"] == "1"
        assert store.get(key("b")) is None
        store.put(key("c"), thing("c"))
        await store.committed()
        assert store.revision == 4

    with_store(tmp_path, write)
    with_store(tmp_path, read)


def test_a_refused_commit_changes_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        store.put(key("a"), thing("a", 1))
        await store.committed()
        write = store._database.write

        def refuse(changes: list[Change], *, at_ms: int) -> None:
            raise StorageFull("the disk is full")

        store._database.write = refuse  # type: ignore[assignment,method-assign]
        store.put(key("a"), thing("a", 2))
        with pytest.raises(StorageFull):
            await store.committed()
        record = store.get(key("a"))
        assert record is not None and record.value["value"] == 1 and store.revision == 1
        store._database.write = write  # type: ignore[method-assign]
        store.put(key("a"), thing("a", 3))
        await store.committed()
        record = store.get(key("a"))
        assert record is not None and record.value["value"] == 3 and record.revision == 2

    with_store(tmp_path, act)


def test_a_full_disk_is_a_storage_error_and_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        store.put(key("a"), thing("a"))
        await store.committed()
        connection: sqlite3.Connection = store._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")
        store.put(key("big"), {**thing("big"), "text": "x" * 100_000})
        with pytest.raises(StorageFull):
            await store.committed()
        assert store.get(key("big")) is None
        connection.execute("PRAGMA max_page_count=1000000")
        store.put(key("big"), {**thing("big"), "text": "x" * 100_000})
        await store.committed()
        assert store.get(key("big")) is not None

    with_store(tmp_path, act)


def test_a_watch_from_an_older_revision_hears_every_change_once_and_in_order(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        store.put(key("a"), thing("a", 1))
        await store.committed()
        store.put(key("a"), thing("a", 2))
        store.put(key("b"), thing("b", 1))
        await store.committed()
        store.remove(key("a"))
        await store.committed()
        seen = watched(store, after=1)
        store.put(key("a"), thing("a", 9))
        await store.committed()
        assert seen == [("MODIFIED", "a", 2), ("ADDED", "b", 1), ("DELETED", "a", 2), ("ADDED", "a", 9)]

    with_store(tmp_path, act)


def test_the_past_is_told_after_a_restart_as_well(tmp_path: Path) -> None:
    async def write(store: Store) -> None:
        for value in (1, 2, 3):
            store.put(key("a"), thing("a", value))
            await store.committed()

    async def read(store: Store) -> None:
        assert watched(store, after=0) == [("ADDED", "a", 1), ("MODIFIED", "a", 2), ("MODIFIED", "a", 3)]

    with_store(tmp_path, write)
    with_store(tmp_path, read)


def test_an_older_moment_is_listed_as_it_was(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        store.put(key("a"), thing("a", 1))
        store.put(key("b"), thing("b", 1))
        await store.committed()
        store.put(key("a"), thing("a", 2))
        store.remove(key("b"))
        store.put(key("c"), thing("c", 1))
        await store.committed()
        then = [(r.key.name, r.value["value"]) for r in store.ordered_at(2, "things", "default")]
        assert then == [("a", 1), ("b", 1)]
        assert [r.key.name for r in store.ordered("things")] == ["a", "c"]

    with_store(tmp_path, act)


def test_what_was_compacted_is_gone_and_the_rest_is_not(tmp_path: Path) -> None:
    now = 0

    async def act(store: Store) -> None:
        nonlocal now
        for value in range(5):
            store.put(key("a"), thing("a", value))
            await store.committed()
        now = 1000
        for value in range(5, 10):
            store.put(key("a"), thing("a", value))
            await store.committed()
        store.compact(keep_newest=100, max_age_ms=500)
        with pytest.raises(Gone):
            watched(store, after=4)
        assert [value for _, _, value in watched(store, after=5)] == [5, 6, 7, 8, 9]
        store.compact(keep_newest=2, max_age_ms=500)
        with pytest.raises(Gone):
            watched(store, after=7)
        assert len(watched(store, after=8)) == 2

    with_store(tmp_path, act, lambda: now)


def test_revisions_never_go_back_after_everything_old_was_compacted(tmp_path: Path) -> None:
    async def write(store: Store) -> None:
        store.put(key("a"), thing("a"))
        store.remove(key("a"))
        await store.committed()
        store.compact(keep_newest=0, max_age_ms=-1)

    async def read(store: Store) -> None:
        assert store.revision == 2

    with_store(tmp_path, write)
    with_store(tmp_path, read)


def test_a_watcher_that_does_not_read_is_cut_off_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudstub.store.broadcast.QUEUE_LIMIT", 3)

    async def act(store: Store) -> None:
        slow, quick = (Subscription("things", lambda change: b"x") for _ in range(2))
        store.subscribe(slow, after=0)
        store.subscribe(quick, after=0)
        for value in range(6):
            store.put(key("a"), thing("a", value))
            await store.committed()
            assert await quick.take(timeout=1) == b"x"
        assert slow.overrun and not quick.ended

    with_store(tmp_path, act)


def test_waiting_for_a_change_ends_with_the_commit(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        waiting = asyncio.create_task(store.wait_change(0))
        await asyncio.sleep(0)
        assert not waiting.done()
        store.put(key("a"), thing("a"))
        assert await asyncio.wait_for(waiting, 2) == 1
        assert await store.wait_change(0) == 1

    with_store(tmp_path, act)


@pytest.mark.parametrize("value", ["\ud800", float("inf"), float("nan")])
def test_what_json_cannot_say_is_refused_before_it_is_staged(tmp_path: Path, value: object) -> None:
    async def act(store: Store) -> None:
        with pytest.raises(BadRequest):
            store.put(key("a"), {**thing("a"), "bad": value})
        store.put(key("b"), thing("b"))
        await store.committed()
        assert store.revision == 1 and store.get(key("a")) is None

    with_store(tmp_path, act)


def test_a_file_that_is_no_store_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreError, match=r"store\.db"):
        Database(tmp_path / "store.db")


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    Database(tmp_path / "store.db").close()
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600
