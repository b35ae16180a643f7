"""Pod statuses from Edged: saved and owed to the cloud in one commit, then Edged is told (contract 4.3)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edgecore.beehive.letters import OutboxChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import StoreError
from edgecore.metamanager import podstatus
from edgecore.metamanager.decisions import Known
from edgecore.store import metadata, outbox
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from edgecore.store.transaction import Transaction
from viaduct.message import Message
from viaduct.resource import ResourcePath, parse_resource
from viaduct.vocabulary import ModuleName, ResourceType

_REMEMBERED = 4096

Done = Callable[[StoreError | None], None]


class Statuses:
    """``pod_of`` gives what is stored of a pod by its key."""

    def __init__(self, database: Database, switchboard: Switchboard, pod_of: Callable[[str], Known | None]) -> None:
        self._database = database
        self._switchboard = switchboard
        self._pod_of = pod_of
        self._last: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, message: Message, done: Done) -> None:
        """``done`` is called once, when the status is saved, needs no saving, or could not be saved.

        Raises:
            ViaductError: the message is malformed. StoreError: the store cannot be read.
        """
        path = parse_resource(message.route.resource)
        uid, text = podstatus.canonical(message.content)
        if self._is_gone(path, uid) or self._is_the_same(path, text):
            done(None)
            return
        key = str(path)
        report = podstatus.report(path, text, now_ms=_now_ms())

        def work(tx: Transaction) -> None:
            metadata.save(tx, MetaRow(key, ResourceType.PODSTATUS, text, uid))
            outbox.owe(tx, report, key=podstatus.outbox_key(path), lane=podstatus.outbox_key(path))

        def written(error: StoreError | None) -> None:
            if error is None:
                self._switchboard.send(ModuleName.EDGEHUB, OutboxChanged())
            else:
                with self._lock:
                    self._last.pop(key, None)
            done(error)

        with self._lock:
            if len(self._last) >= _REMEMBERED:
                self._last.clear()
            self._last[key] = hash(text)
        try:
            self._database.write(work, written)
        except StoreError as exc:
            written(exc)

    def full_reports(self) -> list[Message]:
        """Every stored status, for a cloud that acknowledges none. Raises StoreError."""
        rows = self._database.read(lambda tx: metadata.load_type(tx, ResourceType.PODSTATUS))
        return podstatus.full_reports([(parse_resource(row.key), row.value) for row in rows], now_ms=_now_ms())

    def _is_gone(self, path: ResourcePath, uid: str) -> bool:
        """A status of a pod that is not stored (any more) is of no use to anybody."""
        pod = self._pod_of(podstatus.pod_key(path))
        return pod is None or bool(pod.uid and uid and pod.uid != uid)

    def _is_the_same(self, path: ResourcePath, text: str) -> bool:
        last = self._last.get(str(path))
        if last is not None:
            return last == hash(text)
        stored = self._database.read(lambda tx: metadata.load(tx, str(path)))
        return stored is not None and stored.value == text


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
