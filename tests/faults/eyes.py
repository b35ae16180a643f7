"""Seeing what really arrived: in the board's database, row by row as it was committed, and in the API, version by version."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from demo.parts import Site
from demo.stage import Failed
from tests.faults.background import Background
from tests.faults.tap import DOWN, UP, Frame
from tests.system.api import api_session

_NUMBER = "CAST(json_extract(NEW.value, '$.data.number') AS INTEGER)"
_INSTALL = f"""
CREATE TABLE IF NOT EXISTS faults_seen (id INTEGER PRIMARY KEY, stream TEXT, number INTEGER);
CREATE TRIGGER IF NOT EXISTS faults_made AFTER INSERT ON meta WHEN NEW.type = 'configmap' AND {_NUMBER} > 0
    BEGIN INSERT INTO faults_seen (stream, number) VALUES (NEW.key, {_NUMBER}); END;
CREATE TRIGGER IF NOT EXISTS faults_changed AFTER UPDATE ON meta WHEN NEW.type = 'configmap' AND {_NUMBER} > 0
    BEGIN INSERT INTO faults_seen (stream, number) VALUES (NEW.key, {_NUMBER}); END;
CREATE TRIGGER IF NOT EXISTS faults_owed AFTER INSERT ON outbox WHEN NEW.key IS NULL
    BEGIN INSERT INTO faults_seen (stream, number) VALUES (NEW.lane, CAST(json_extract(NEW.message, '$.content') AS INTEGER)); END;
"""
"""Triggers write down each version at the commit that makes it true, so none is missed and a power cut takes both or neither."""


class BoardEyes:
    """Tells ``saw(stream, number)`` what the board's database took, in order. ``close`` before EdgeCore is killed: a connection of ours
    that lives on would spare it the recovery that a real power cut asks for. Counting begins with what comes after ``open``."""

    def __init__(self, database: Path, saw: Callable[[str, int], None]) -> None:
        self._database = database
        self._saw = saw
        self._connection: sqlite3.Connection | None = None
        self._last: int | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._open = False
        self._thread = threading.Thread(target=self._run, name="board-eyes", daemon=True)
        self._thread.start()

    def open(self) -> None:
        """EdgeCore runs; its database may still have to be made."""
        self._open = True

    def close(self) -> None:
        with self._lock:
            self._open = False
            with contextlib.suppress(sqlite3.Error):
                self._look()
            self._let_go()

    def look(self) -> None:
        """See everything committed so far, now."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._look()

    def start_over(self) -> None:
        """Another database lies there, or none, and EdgeCore does not run: what that one takes from now on counts."""
        with self._lock:
            self._last = 0
            if self._database.exists():
                with contextlib.closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
                    self._last = connection.execute("SELECT coalesce(max(id), 0) FROM faults_seen").fetchone()[0]

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        with self._lock:
            self._let_go()

    def _run(self) -> None:
        while not self._stopping.wait(0.1):
            if self._open:
                with self._lock:
                    try:
                        self._look()
                    except sqlite3.Error:
                        self._let_go()

    def _look(self) -> None:
        if not self._open or not self._database.exists():
            return
        if self._connection is None:
            self._connection = sqlite3.connect(self._database, timeout=5, check_same_thread=False)
            self._connection.executescript(_INSTALL)
        if self._last is None:
            self._last = self._connection.execute("SELECT coalesce(max(id), 0) FROM faults_seen").fetchone()[0]
        rows = self._connection.execute("SELECT id, stream, number FROM faults_seen WHERE id > ? ORDER BY id", (self._last,)).fetchall()
        for row, stream, number in rows:
            self._last = row
            self._saw(stream, number)

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def held(database: Path) -> dict[str, tuple[str, int]]:
    """Key to (uid, version) of what the board holds. Raises Failed: it cannot be read now, because EdgeCore has yet to make it."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as connection:
            objects = connection.execute("SELECT key, uid, version FROM meta WHERE version != ''").fetchall()
            devices = connection.execute("SELECT 'device/' || id, uid, version FROM device").fetchall()
    except sqlite3.Error as exc:
        raise Failed(f"{database}: {exc}") from exc
    return {key: (uid, int(version or 0)) for key, uid, version in [*objects, *devices]}


def left_behind(database: Path) -> dict[str, tuple[str, int]]:
    """The same of a board that was killed, from a copy: the original is left as the dead process left it."""
    with tempfile.TemporaryDirectory(prefix="bramble-look-") as folder:
        copy = Path(folder) / "copy.db"
        for side in ("", "-wal"):
            if Path(f"{database}{side}").exists():
                shutil.copy(f"{database}{side}", f"{copy}{side}")
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise AssertionError(f"the database is damaged: {verdict}")
        return held(copy)


def dropped(database: Path) -> int:
    """``dropped_total`` of what had lain in the outbox, as the board counts it."""
    return _dropped(database, "reason != 'not_saved'")


def not_saved(database: Path) -> int:
    """``dropped_total`` of what the disk never took."""
    return _dropped(database, "reason = 'not_saved'")


def _dropped(database: Path, condition: str) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as connection:
        return int(connection.execute(f"SELECT coalesce(sum(count), 0) FROM dropped WHERE {condition}").fetchone()[0])


def owed_events(database: Path) -> list[tuple[str, int]]:
    """(stream, number) of each upload in the outbox."""
    with contextlib.closing(sqlite3.connect(database, timeout=5)) as connection:
        rows = connection.execute("SELECT lane, json_extract(message, '$.content') FROM outbox WHERE key IS NULL").fetchall()
        return [(lane, int(number)) for lane, number in rows]


class Records:
    """What a node uploaded, as it lies in the cloud's file. Nothing is held open: a CloudCore that was killed finds it as it left it."""

    def __init__(self, file: Path, node: str) -> None:
        self._file = file
        self._node = node
        self._last = max((row for row, _, _, _ in self._rows(0)), default=0)

    def fresh(self) -> list[tuple[str, int]]:
        """(topic, number) of what came since the last look, in its order."""
        rows = self._rows(self._last)
        self._last = max((row for row, _, _, _ in rows), default=self._last)
        return [(topic, int(number)) for _, topic, _, number in rows]

    def ids(self) -> set[str]:
        """Of every message that is there."""
        return {msg_id for _, _, msg_id, _ in self._rows(0)}

    def _rows(self, after: int) -> list[tuple[int, str, str, str]]:
        query = "SELECT id, topic, msg_id, content FROM records WHERE node = ? AND id > ? ORDER BY id"
        with contextlib.closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(query, (self._node, after)).fetchall()


class Promises:
    """A watcher of the tap that remembers what each end acknowledged: from then on it must be there, whatever is killed (D1, S1)."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, int]] = {}
        self._reports: dict[str, tuple[str, int]] = {}
        self.board: dict[str, int] = {}
        self.cloud: dict[str, int] = {}

    def __call__(self, frame: Frame) -> None:
        if frame.is_acknowledgement:
            self._acknowledged(frame)
        elif frame.way == DOWN and frame.operation == "delete":
            self._taken_back(_key(frame))
        elif frame.way == DOWN and frame.operation in ("insert", "update"):
            self._said[frame.envelope["header"]["msg_id"]] = (_key(frame), int(frame.envelope["header"].get("resourceversion") or 0))
        elif frame.way == UP and frame.resource.endswith("/twin/edge_updated"):
            for twin in frame.envelope["content"]["twin"].values():
                value = ((twin or {}).get("actual") or {}).get("value")
                if value:
                    self._reports[frame.envelope["header"]["msg_id"]] = (frame.resource.split("/")[1], int(value))

    def _taken_back(self, key: str) -> None:
        """From here on the board may hold it or not: what it was told before binds it no longer."""
        self.board.pop(key, None)
        self._said = {msg_id: said for msg_id, said in self._said.items() if said[0] != key}

    def _acknowledged(self, frame: Frame) -> None:
        said, kept = (self._said, self.board) if frame.way == UP else (self._reports, self.cloud)
        for msg_id in frame.answers():
            if msg_id in said:
                key, version = said[msg_id]
                kept[key] = max(version, kept.get(key, 0))

    def broken_by_board(self, database: Path) -> list[str]:
        """Of a dead EdgeCore: keys that it acknowledged and does not hold."""
        found = left_behind(database)
        promised = dict(self.board)
        return [key for key, version in promised.items() if version > found.get(key, ("", 0))[1]]

    def broken_by_cloud(self, reported: dict[str, int]) -> list[str]:
        return [device for device, number in dict(self.cloud).items() if number > reported.get(device, 0)]

    def forget_board(self) -> None:
        """Its database was taken away: nothing that it said counts."""
        self.board.clear()


def _key(frame: Frame) -> str:
    if frame.resource != "membership":
        return frame.resource
    devices = frame.envelope["content"].get("added_devices") or [{}]
    return f"device/{devices[0].get('id', '')}"


class CloudEyes:
    """Follows the devices in the API, and tells ``saw(device, number, repeated)`` of each version that reports something.

    ``repeated``: the object was written again although nothing in it changed.
    """

    def __init__(self, background: Background, site: Site, saw: Callable[[str, int, bool], None]) -> None:
        self._site = site
        self._saw = saw
        self._before: dict[str, Any] = {}
        self._version = ""
        self._watching = background.spawn(self._watch())

    def stop(self) -> None:
        self._watching.cancel()

    async def _watch(self) -> None:
        async with api_session(self._site) as session:
            while True:
                try:
                    await self._follow(session)
                except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
                    await asyncio.sleep(0.2)

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        path = "/apis/devices.kubeedge.io/v1alpha1/namespaces/default/devices"
        if not self._version:
            async with session.get(path) as answer:
                listed = await answer.json()
            for device in listed["items"]:
                self._take(device)
            self._version = listed["metadata"]["resourceVersion"]
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2)
        async with session.get(path, params={"watch": "true", "resourceVersion": self._version}, timeout=timeout) as events:
            if events.status != 200:
                self._version = ""
                return
            async for line in events.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    self._version = ""
                    return
                self._version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(event["object"])

    def _take(self, device: dict[str, Any]) -> None:
        name = device["metadata"]["name"]
        value = reported(device)
        plain = {**device, "metadata": {k: v for k, v in device["metadata"].items() if k not in ("resourceVersion", "managedFields")}}
        repeated = self._before.get(name) == plain and device["metadata"]["resourceVersion"] != self._before.get(f"{name} version")
        self._before[name], self._before[f"{name} version"] = plain, device["metadata"]["resourceVersion"]
        if value:
            self._saw(name, value, repeated)


def reported(device: dict[str, Any]) -> int:
    twins = (device.get("status") or {}).get("twins") or [{}]
    return int((twins[0].get("reported") or {}).get("value") or 0)
