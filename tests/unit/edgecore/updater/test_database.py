"""The copy of EdgeCore's database that goes back with the version before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edgecore.errors import UpdateError
from edgecore.updater.database import DatabaseCopy


def opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def said(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT text FROM said")]


@pytest.fixture
def live(tmp_path: Path) -> Path:
    file = tmp_path / "live.db"
    with closing(opened(file)) as connection:
        connection.execute("CREATE TABLE said (text)")
        connection.execute("INSERT INTO said VALUES ('before')")
        connection.execute("PRAGMA user_version = 6")
    return file


def test_what_is_committed_and_only_in_the_log_of_a_database_in_use_is_copied(live: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with closing(opened(live)) as connection:
        connection.execute("INSERT INTO said VALUES ('log')")
        DatabaseCopy(copy).keep(live)
    assert said(copy) == ["before", "log"]
    assert copy.stat().st_mode & 0o777 == 0o600


def test_it_is_put_back_over_a_later_form_only_and_without_the_log_of_that(live: Path, tmp_path: Path) -> None:
    door = DatabaseCopy(tmp_path / "copy.db")
    door.keep(live)
    with closing(opened(live)) as connection:
        connection.execute("INSERT INTO said VALUES ('since')")
    assert not door.is_wanted(live)
    held = opened(live)
    held.execute("PRAGMA user_version = 7")
    assert door.is_wanted(live)
    with pytest.raises(UpdateError):
        door.put_back(live)
    held.close()
    door.put_back(live)
    assert said(live) == ["before"]
    assert not door.is_wanted(live)
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["copy.db", "live.db"]


def test_where_there_is_none_none_is_kept_and_an_older_copy_is_forgotten(live: Path, tmp_path: Path) -> None:
    door = DatabaseCopy(tmp_path / "copy.db")
    door.keep(live)
    live.unlink()
    door.keep(live)
    assert not door.is_wanted(live)
    assert not (tmp_path / "copy.db").exists()
