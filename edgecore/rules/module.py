"""Rules: small automations of the board, with or without the cloud (P8).

It watches at DeviceTwin what rules read, evaluates when a value changes or a time comes due, and asks DeviceTwin to desire what they set.
Nothing is polled and nothing waits. What it cannot place it says again. What a rule has done is saved when all of it was taken: after a
crash in between it is done again, which for a desired value changes nothing.

Small while there are no rules: what reads and evaluates them is loaded with the first one (C1).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecore.beehive.folder import Folder
from edgecore.beehive.letters import ConfigChanged, Desire, OutboxChanged, RulesAsked, TwinsChanged, Watch, WatchAgain
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import StoreError
from edgecore.store import metadata, outbox, rules
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from edgecore.store.rules import FILE_PREFIX, RuleRow
from edgecore.store.transaction import Transaction
from viaduct.message import Message, new_message
from viaduct.resource import ResourcePath
from viaduct.vocabulary import Group, ModuleName, Operation, ResourceType
from viaduct.vocabulary import Source as Speaker

if TYPE_CHECKING:
    from edgecore.rules.engine import Asked, Engine
    from edgecore.rules.sources import Source

logger = logging.getLogger(__name__)

BATCH = 300
PLACE_AGAIN, SAVE_AGAIN = 0.05, 5.0
"""Seconds until what could not be placed, or saved, is tried again."""


@dataclass(frozen=True, slots=True)
class _Wake:
    """From another thread: an answer, a folder that was read, or a write that failed."""


class Rules(Module):
    name = ModuleName.RULES
    group = Group.RULES

    def __init__(
        self,
        switchboard: Switchboard,
        database: Database,
        *,
        node: str,
        folder: str,
        now: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        self._switchboard = switchboard
        self._database = database
        self._now = now
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._engine: Engine | None = None
        self._node = node
        self._folder: Folder[list[Source]] | None = None
        if folder:
            self._folder = Folder(Path(folder), "rule", self._read_file, self._folder_read)
        self._files: list[Source] | None = None
        self._answers: deque[tuple[Asked, str]] = deque()
        self._failed: deque[Callable[[], None]] = deque()
        self._unplaced: deque[tuple[str, Any]] = deque()
        self._watched: frozenset[tuple[str, str]] = frozenset()
        self._again_at: float | None = None
        self._save_at = 0.0
        self._mailbox: Mailbox | None = None

    def run(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        super().run(mailbox)

    def opened(self) -> None:
        rows, objects = self._database.read(lambda tx: (rules.load_all(tx), metadata.load_type(tx, ResourceType.DEVICERULE)))
        if self._folder is not None:
            self._folder.look()
            self._folder.start()
        files, self._files = self._files or [], None
        if rows or objects or files:
            self._start(rows, objects, files)
            self._settle()

    def closed(self) -> None:
        if self._folder is not None:
            self._folder.close()

    def take(self, letter: Any) -> None:
        self._take_one(letter)
        for more in self._mailbox.take_ready(BATCH - 1) if self._mailbox is not None else ():
            self._take_one(more)
        self._settle()

    def next_tick(self) -> float | None:
        times = (self._engine.next_time() if self._engine is not None else None, self._again_at)
        return min((when for when in times if when is not None), default=None)

    def tick(self) -> None:
        if self._again_at is not None and self._now() >= self._again_at:
            self._again_at = None
            if self._now() >= self._save_at:
                for _ in range(len(self._failed)):
                    self._failed.popleft()()
        self._settle()

    def _start(self, rows: Mapping[str, RuleRow], objects: list[MetaRow], files: list[Source]) -> Engine:
        """There is something to do with rules, for the first time. Rows of rules that are not there any more go."""
        from edgecore.rules.engine import Engine

        engine = self._engine = Engine(rows)
        for row in objects:
            self._put_object(engine, row)
        for source in files:
            self._put(engine, source)
        self._forget(engine, [key for key in rows if not engine.has(key)])
        return engine

    def _take_one(self, letter: Any) -> None:
        match letter:
            case TwinsChanged(seen) if self._engine is not None:
                self._engine.see(seen)
            case ConfigChanged(key):
                self._object_changed(key)
            case WatchAgain():
                self._watched = frozenset()
            case RulesAsked(answer):
                self._take_files()
                self._take_answers()
                answer(self._engine.shown() if self._engine is not None else [])

    def _object_changed(self, key: str) -> None:
        row = self._database.read(lambda tx: metadata.load(tx, key))
        if self._engine is None:
            if row is not None:
                self._start({}, [row], [])
        elif row is None:
            self._forget(self._engine, [key])
        else:
            self._put_object(self._engine, row)

    def _take_files(self) -> None:
        """What the folder has now, where it was read since."""
        if self._files is None:
            return
        found, self._files = self._files, None
        if self._engine is None:
            if found:
                self._start({}, [], found)
            return
        keys = {source.key for source in found}
        self._forget(self._engine, [key for key in self._engine.keys if key.startswith(FILE_PREFIX) and key not in keys])
        for source in found:
            self._put(self._engine, source)

    def _put_object(self, engine: Engine, row: MetaRow) -> None:
        from edgecore.rules.sources import from_cloud

        self._put(engine, from_cloud(row.key, row.value, row.uid))

    def _put(self, engine: Engine, source: Source) -> None:
        if engine.put(source, now=self._now(), now_ms=self._now_ms()):
            if source.fault:
                logger.error("rule %s of %s: %s", source.name, source.origin, source.fault)
            else:
                logger.info("rule %s/%s of %s is taken", source.namespace, source.name, source.origin)

    def _forget(self, engine: Engine, keys: list[str]) -> None:
        for key in keys:
            engine.remove(key)
        if keys:
            self._write(lambda tx: _forget(tx, keys), lambda: self._forget(engine, keys))

    # What follows from it

    def _settle(self) -> None:
        self._take_files()
        engine = self._engine
        if engine is None:
            return
        self._take_answers()
        places = engine.places()
        if places != self._watched:
            self._watched = places
            self._unplaced.append((ModuleName.DEVICETWIN, Watch(places)))
        for asked in engine.advance(now=self._now(), now_ms=self._now_ms()):
            logger.info("rule %s sets %s", engine.name_of(asked.key), asked.action)
            self._unplaced.append((ModuleName.DEVICETWIN, self._desire(asked)))
        self._place_all()
        if self._failed:
            if self._save_at <= self._now():
                self._save_at = self._now() + SAVE_AGAIN
            self._try_again(self._save_at - self._now())
        else:
            self._save(engine)

    def _desire(self, asked: Asked) -> Desire:
        def answer(said: list[bytes | str]) -> None:
            """In DeviceTwin's thread. Where the mailbox is full its next letter wakes us as well."""
            self._answers.append((asked, str(said[0]) if said else ""))
            self._switchboard.send(self.name, _Wake())

        return Desire(asked.action.device, asked.action.name, asked.action.value, answer)

    def _take_answers(self) -> None:
        while self._answers and self._engine is not None:
            asked, refusal = self._answers.popleft()
            if self._engine.answered(asked, refusal, now_ms=self._now_ms()):
                logger.warning("rule %s: %s was refused: %s", self._engine.name_of(asked.key), asked.action, refusal)

    def _place_all(self) -> None:
        while self._unplaced:
            name, letter = self._unplaced[0]
            if not self._switchboard.send(name, letter) and self._switchboard.knows(name):
                self._try_again(PLACE_AGAIN)
                return
            self._unplaced.popleft()

    def _save(self, engine: Engine) -> None:
        rows = engine.unsaved()
        told = engine.reports(now=self._now())
        reports = {key: _report(key, uid, status, self._now_ms()) for key, (uid, status) in told.items()}
        if not rows and not reports:
            return

        def work(tx: Transaction) -> None:
            for row in rows:
                rules.save(tx, row)
            for report in reports.values():
                key = _outbox_key(report.route.resource)
                outbox.owe(tx, report, key=key, lane=key)

        def again() -> None:
            engine.not_saved([row.key for row in rows], list(reports))

        self._write(work, again, owes=bool(reports))

    def _write(self, work: Callable[[Transaction], None], again: Callable[[], None], *, owes: bool = False) -> None:
        """``again``: what to do in our own thread where it could not be written."""

        def done(error: StoreError | None) -> None:
            if error is None:
                if owes:
                    self._switchboard.send(ModuleName.EDGEHUB, OutboxChanged())
                return
            logger.error("what rules did could not be saved: %s", error)
            self._failed.append(again)
            self._switchboard.send(self.name, _Wake())

        try:
            self._database.write(work, done)
        except StoreError as exc:
            done(exc)

    def _try_again(self, pause: float) -> None:
        when = self._now() + pause
        self._again_at = when if self._again_at is None else min(self._again_at, when)

    def _read_file(self, documents: list[Any], place: str) -> list[Source]:
        """In the thread of the folder."""
        from edgecore.rules.sources import from_file

        return from_file(documents, place, self._node)

    def _folder_read(self, files: Mapping[str, list[Source]], faults: Mapping[str, str]) -> None:
        """In the thread of the folder."""
        from edgecore.rules.sources import from_folder

        self._files = from_folder(files, faults)
        self._switchboard.send(self.name, _Wake())


def _report(key: str, uid: str, status: Mapping[str, Any], now_ms: int) -> Message:
    namespace, _, name = key.split("/", 2)
    return new_message(
        source=Speaker.RULES,
        group=Group.RESOURCE,
        operation=Operation.UPDATE,
        resource=str(ResourcePath(namespace, ResourceType.DEVICERULESTATUS, name)),
        now_ms=now_ms,
        content={"uid": uid, "status": dict(status)},
    )


def _outbox_key(resource: str) -> str:
    return f"rulestatus/{resource}"


def _forget(tx: Transaction, keys: list[str]) -> None:
    rules.delete(tx, keys)
    for key in keys:
        if not key.startswith(FILE_PREFIX):
            namespace, _, name = key.split("/", 2)
            outbox.take_back(tx, _outbox_key(f"{namespace}/{ResourceType.DEVICERULESTATUS}/{name}"))
