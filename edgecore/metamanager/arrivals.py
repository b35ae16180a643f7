"""What came from the cloud: save, then forward, then acknowledge (contract 3.5; promises D1, D2, D6)."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from edgecore.beehive.letters import ConfigChanged, PodChanged
from edgecore.errors import StoreError
from edgecore.metamanager import podstatus
from edgecore.metamanager.decisions import Arrival, Delete, Ignore, Known, decide, read_arrival
from edgecore.metamanager.postbag import Postbag
from edgecore.metamanager.shelf import Shelf
from edgecore.store import metadata, outbox
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow, Tombstone
from edgecore.store.transaction import Transaction
from viaduct import profile
from viaduct.errors import ViaductError
from viaduct.message import Message, acknowledge, error_to
from viaduct.resource import ResourcePath
from viaduct.vocabulary import SERVED, ModuleName, Operation, ResourceType, Source

logger = logging.getLogger(__name__)

_TOLD = {
    **dict.fromkeys((ResourceType.POD, ResourceType.CONFIGMAP, ResourceType.SECRET, *SERVED), ModuleName.EDGED),
    ResourceType.DEVICERULE: ModuleName.RULES,
    ResourceType.NODEUPGRADEJOB: ModuleName.UPGRADE,
}
"""Who hears of a change, by type."""

_NEVER = 400
_NOT_NOW = 507

Then = Callable[[bool], None]
"""Called once: True after the content is committed (or needs no commit), False when it could not be saved."""


class Arrivals:
    def __init__(self, database: Database, postbag: Postbag, wake: Callable[[], None], *, ledger: Callable[[], bool]) -> None:
        """``ledger``: whether the other end is Bramble's."""
        self._ledger = ledger
        self._database = database
        self._postbag = postbag
        self._wake = wake
        self._shelf = Shelf(database)
        self._failed: deque[str] = deque()
        self._pending: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def needs_mending(self) -> bool:
        return bool(self._failed)

    def load(self) -> None:
        """Raises StoreError."""
        self._shelf.load()

    def mend(self) -> None:
        """What could not be written is not known: for these keys the disk counts. Raises StoreError."""
        while self._failed:
            self._shelf.reload(self._failed[0])
            self._failed.popleft()

    def stored(self, key: str) -> Known | None:
        return self._shelf.stored(key)

    def take(self, message: Message) -> None:
        """A message that the cloud sent of its own accord."""
        answer = message.route.operation == Operation.RESPONSE  # unsolicited: stored, but nobody waits for our word (contract 3.5)
        try:
            arrival = read_arrival(message)
        except ViaductError as exc:
            logger.warning("the cloud's %s cannot be stored: %s", message.route.operation, exc)
            if not answer:
                self._complain(message, _NEVER, str(exc))
            return
        self.apply(arrival, message.content, None if answer else message)

    def apply(self, arrival: Arrival, content: Any, message: Message | None, then: Then | None = None) -> None:
        """Do what ``arrival`` asks; after the commit forward it, acknowledge ``message`` and call ``then``."""
        match decide(self._shelf.stored(arrival.key), self._shelf.buried(arrival.key), arrival):
            case Ignore(reason):
                logger.debug("%s version %s changes nothing: %s", arrival.key, arrival.version_text, reason)
                # What it is superseded by may not be committed yet; then the cloud asks again and is answered later (D1).
                self._finish(message if not self._pending[arrival.key] else None, then)
            case Delete(bury):
                self._write(arrival, self._removing(arrival, bury), message, _forwards(arrival, None), then)
            case save:
                forwards = _forwards(arrival, content)
                if save.replaces and arrival.path.type == ResourceType.POD:
                    forwards.insert(0, PodChanged(arrival.key, None))
                self._write(arrival, self._saving(arrival, content, save.replaces), message, forwards, then)

    def _saving(self, arrival: Arrival, content: Any, replaces: bool) -> Callable[[Transaction], None]:
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        row = MetaRow(arrival.key, arrival.path.type, text, arrival.uid, arrival.version_text)
        old = self._shelf.stored(arrival.key)
        bury = self._burying(arrival.key, old) if replaces and old is not None else None
        self._shelf.put(arrival.key, Known(arrival.uid, arrival.version))

        def work(tx: Transaction) -> None:
            if bury is not None:
                bury(tx)
                _clear_traces(tx, arrival.path, old.uid if old is not None else "")
            metadata.save(tx, row)

        return work

    def _removing(self, arrival: Arrival, known: Known) -> Callable[[Transaction], None]:
        bury = self._burying(arrival.key, known)
        self._shelf.remove(arrival.key)

        def work(tx: Transaction) -> None:
            metadata.delete(tx, arrival.key)
            bury(tx)
            if arrival.path.type == ResourceType.POD:
                _clear_traces(tx, arrival.path, known.uid)

        return work

    def _burying(self, key: str, known: Known) -> Callable[[Transaction], None]:
        forgotten = self._shelf.bury(key, known)
        stone = Tombstone(key, known.uid, "" if known.version is None else str(known.version), _now_ms())

        def work(tx: Transaction) -> None:
            metadata.bury(tx, stone)
            for old in forgotten:
                metadata.unbury(tx, old)

        return work

    def _write(
        self, arrival: Arrival, work: Callable[[Transaction], None], message: Message | None, forwards: list[Any], then: Then | None
    ) -> None:
        key = arrival.key
        with self._lock:
            self._pending[key] += 1

        def done(error: StoreError | None) -> None:
            with self._lock:
                self._pending[key] -= 1
                if not self._pending[key]:
                    del self._pending[key]
            if error is not None:
                self._not_written(key, message, error, then)
                return
            for letter in forwards:
                self._postbag.send(_TOLD[ResourceType(arrival.path.type)], letter)
                if isinstance(letter, ConfigChanged) and profile.node_of(arrival.path.name):
                    self._postbag.send(ModuleName.DEVICETWIN, letter)
            self._finish(message, then)

        try:
            self._database.write(work, done)
        except StoreError as exc:
            done(exc)

    def _not_written(self, key: str, message: Message | None, error: StoreError, then: Then | None) -> None:
        logger.error("%s could not be saved: %s", key, error)
        self._failed.append(key)
        self._wake()
        if message is not None:
            self._complain(message, _NOT_NOW, f"{key} could not be saved: {error}")
        if then is not None:
            then(False)

    def _finish(self, message: Message | None, then: Then | None) -> None:
        if message is not None:
            self._postbag.send(ModuleName.EDGEHUB, acknowledge(message, now_ms=_now_ms()))
        if then is not None:
            then(True)

    def _complain(self, message: Message, code: int, text: str) -> None:
        """To KubeEdge in words alone (contract 3.5), to Bramble as P4.5 has it: what could not be saved now is to be said again."""
        content = {"code": code, "reason": text, "retry": code == _NOT_NOW} if self._ledger() else text
        self._postbag.send(ModuleName.EDGEHUB, error_to(message, content, source=Source.METAMANAGER, now_ms=_now_ms()))


def _forwards(arrival: Arrival, content: Any) -> list[Any]:
    if arrival.path.type == ResourceType.POD:
        return [PodChanged(arrival.key, content)]
    return [ConfigChanged(arrival.key)] if arrival.path.type in _TOLD else []


def _clear_traces(tx: Transaction, pod: ResourcePath, uid: str) -> None:
    """The status of a pod that is gone is owed to nobody, and nobody needs its tokens."""
    metadata.delete_tokens(tx, uid)
    metadata.delete(tx, podstatus.status_key(pod))
    outbox.take_back(tx, podstatus.outbox_key(pod))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
