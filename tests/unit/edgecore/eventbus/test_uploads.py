"""Every upload lies in the outbox, or in the count of what was dropped (promise D7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.letters import Arrived
from edgecore.errors import StoreError, StoreFull
from edgecore.eventbus.routing import MAX_TOPIC
from edgecore.eventbus.uploads import Uploads
from edgecore.store import outbox
from edgecore.store.database import Database
from edgecore.store.outbox import Rank
from viaduct.codec import MAX_FRAME_BYTES, decode


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "edge.db")
    yield made
    made.close()


def _uploads(database: Any) -> Uploads:
    return Uploads(database, now_ms=lambda: 7, owed=lambda saved: None)


def _written(database: Database) -> tuple[list[Any], dict[str, int]]:
    database.write_and_wait(lambda tx: None)
    rows = database.read(lambda tx: outbox.pending(tx, Rank.UPLOAD, 0, 20_000))
    return [decode(row.text).content for row in rows], database.read(outbox.dropped)


def test_more_uploads_than_ten_thousand_wait_in_their_order(database: Database) -> None:
    _uploads(database).take(Arrived("$hw/events/upload/a", str(number).encode()) for number in range(10_050))
    assert _written(database) == ([str(number) for number in range(10_050)], {})


def test_an_upload_on_a_topic_that_is_no_resource_is_counted(database: Database) -> None:
    topics = ("t" * MAX_TOPIC, "t" * (MAX_TOPIC + 1))
    _uploads(database).take(Arrived(topic, b"x") for topic in topics)
    assert _written(database) == (["x"], {"topic_too_long": 1})


@pytest.mark.parametrize("payload", [b"x" * MAX_FRAME_BYTES, b"\x01" * (MAX_FRAME_BYTES // 6), "é".encode() * (MAX_FRAME_BYTES // 2)])
def test_an_upload_that_would_not_fit_one_frame_is_counted_and_does_not_block_the_road(database: Database, payload: bytes) -> None:
    uploads = _uploads(database)
    uploads.take([Arrived("a", payload), Arrived("a", b"next")])
    assert _written(database) == (["next"], {"too_long": 1})


def test_what_was_lost_on_the_way_is_counted_with_the_next_write(database: Database) -> None:
    uploads = _uploads(database)
    uploads.lose("too_long")
    assert uploads.next_time() is not None
    uploads.count()
    assert _written(database) == ([], {"too_long": 1})
    assert uploads.next_time() is None


class _Full:
    """A store whose disk is full, until ``real`` is set."""

    def __init__(self, *, raises: bool) -> None:
        self.real: Database | None = None
        self._raises = raises

    def write(self, work: Any, done: Any) -> None:
        if self.real is not None:
            self.real.write(work, done)
        elif self._raises:
            raise StoreError("the disk does not keep up")
        else:
            done(StoreFull("no space left"))


@pytest.mark.parametrize("raises", [False, True])
def test_what_a_full_disk_did_not_take_is_remembered_and_counted_when_there_is_room(database: Database, raises: bool) -> None:
    disk = _Full(raises=raises)
    uploads = _uploads(disk)
    uploads.take([Arrived("a", b"1"), Arrived("a", b"2"), Arrived("t" * 481, b"3")])
    uploads.count()
    uploads.take([Arrived("a", b"4")])
    assert uploads.next_time() is not None
    disk.real = database
    uploads.count()
    assert _written(database) == ([], {"not_saved": 3, "topic_too_long": 1})
    uploads.take([Arrived("a", b"5")])
    assert _written(database) == (["5"], {"not_saved": 3, "topic_too_long": 1})
