"""The database looked at from outside: beside a writer, after one that was killed, and when it is none."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from edgecore.errors import StoreError
from edgecore.store import metadata, outbox
from edgecore.store.database import Database
from edgecore.store.inspection import KNOWN_SCHEMA, inspect, secret_values
from edgecore.store.metadata import MetaRow
from edgecore.store.outbox import Rank
from edgecore.store.transaction import Transaction

SECRET = '{"kind": "Secret", "data": {"a": "c2VjcmV0", "b": 7}, "stringData": {"c": "plain"}}'


def _fill(tx: Transaction) -> None:
    metadata.save(tx, MetaRow("default/secret/s", "secret", SECRET))
    metadata.save(tx, MetaRow("default/secret/odd", "secret", "no json"))
    outbox.owe_text(tx, "1", "hello", 0, key=None, lane="upload/x")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    opened = Database(tmp_path / "edgecore.db")
    opened.write_and_wait(_fill)
    opened.close()
    return tmp_path / "edgecore.db"


def test_it_is_counted_and_not_told(database: Path) -> None:
    found = inspect(database)
    assert (found.flaw, found.schema, found.rows["meta"]) == ("", KNOWN_SCHEMA, 2)
    assert (found.owed[Rank.UPLOAD].rows, found.owed[Rank.UPLOAD].bytes) == (1, 5)
    assert "c2VjcmV0" not in repr(found)


def test_it_is_looked_at_beside_a_running_edgecore(database: Path) -> None:
    opened = Database(database)
    try:
        assert inspect(database).flaw == ""
        opened.write_and_wait(_fill)
        assert inspect(database, deep=False).owed[Rank.UPLOAD].rows == 2
    finally:
        opened.close()


def test_after_a_kill_what_lies_in_the_log_counts_too(database: Path, tmp_path: Path) -> None:
    """The files as they are while somebody writes, without who wrote."""
    opened = Database(database)
    opened.write_and_wait(_fill)
    left = tmp_path / "left"
    left.mkdir()
    for side in ("", "-wal"):
        shutil.copy(f"{database}{side}", left / f"edgecore.db{side}")
    opened.close()
    assert inspect(left / "edgecore.db").owed[Rank.UPLOAD].rows == 2
    Database(left / "edgecore.db").close()


def test_nothing_is_changed_by_looking(database: Path) -> None:
    before = database.read_bytes(), os.stat(database).st_mtime_ns
    inspect(database)
    assert (database.read_bytes(), os.stat(database).st_mtime_ns) == before


def test_damage_is_found(database: Path) -> None:
    data = bytearray(database.read_bytes())
    data[4096 + 8 : 4096 + 400] = b"\xff" * 392
    database.write_bytes(data)
    try:
        flaw = inspect(database).flaw
    except StoreError as exc:
        flaw = str(exc)
    assert flaw


@pytest.mark.parametrize("content", [b"no database, but a text that is long enough to be one", b"\0" * 5000])
def test_what_is_no_database_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.db"):
        inspect(tmp_path / "x.db")


def test_a_database_of_a_later_version_is_counted_as_far_as_it_goes(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute(f"PRAGMA user_version = {KNOWN_SCHEMA + 1}")
    connection.close()
    found = inspect(database)
    assert (found.schema, found.owed, found.rows["meta"]) == (KNOWN_SCHEMA + 1, {}, 2)


def test_secret_values_are_given_to_who_masks_them(database: Path) -> None:
    assert secret_values(database) == {"c2VjcmV0", "plain"}
