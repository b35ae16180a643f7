"""What was uploaded over MQTT, on its way into the outbox, and the count of what never got there (promise D7)."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from edgecore.beehive.letters import Arrived
from edgecore.errors import StoreError
from edgecore.eventbus import routing
from edgecore.store import outbox
from edgecore.store.database import Database
from edgecore.store.transaction import Transaction
from viaduct.codec import MAX_FRAME_BYTES, encode
from viaduct.message import Message, new_message
from viaduct.vocabulary import Group, Operation, Source

logger = logging.getLogger(__name__)

_TRY_AGAIN = 5.0
"""Seconds between two attempts to write down what was lost."""

TOPIC_TOO_LONG, TOO_LONG, NOT_SAVED = "topic_too_long", "too_long", "not_saved"
"""Reasons in ``dropped_total``: the topic is no resource of the envelope; the message does not fit one frame; the disk did not take it."""


class Uploads:
    """``owed`` is called in the store's thread after each write, with whether it took effect; it must not wait. ``take`` and ``count`` are
    for the module's loop, ``lose`` for every thread."""

    def __init__(self, database: Database, *, now_ms: Callable[[], int], owed: Callable[[bool], None]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._owed = owed
        self._lock = threading.Lock()
        self._uncounted: Counter[str] = Counter()
        self._try_at = 0.0

    def take(self, letters: Iterable[Arrived]) -> None:
        """Owe the cloud what was uploaded, as events in their order."""
        rows = []
        for letter in letters:
            message = self._message(letter)
            text = encode(message)
            if reason := _unfit(letter.topic, text):
                logger.warning("an upload on %.200r is dropped: %s", letter.topic, reason)
                self.lose(reason)
            else:
                rows.append((message, text))
        self._write(rows)

    def lose(self, reason: str) -> None:
        """An upload was dropped before it came this far: count it with the next write."""
        with self._lock:
            self._uncounted[reason] += 1

    def next_time(self) -> float | None:
        """When ``count`` is wanted (monotonic seconds): a full disk cannot even be told what it costs."""
        with self._lock:
            return self._try_at if self._uncounted else None

    def count(self) -> None:
        """Write down what was lost."""
        self._write([])

    def _message(self, letter: Arrived) -> Message:
        return new_message(
            source=Source.BUS,
            group=Group.USER,
            operation=Operation.UPLOAD,
            resource=letter.topic,
            now_ms=self._now_ms(),
            content=routing.upload_text(letter.payload),
        )

    def _write(self, rows: list[tuple[Message, str]]) -> None:
        with self._lock:
            lost, self._uncounted = self._uncounted, Counter()
        if not rows and not lost:
            return

        def work(tx: Transaction) -> None:
            for message, text in rows:
                outbox.owe_text(tx, message.id, text, message.header.timestamp, key=None, lane=f"upload/{message.route.resource}")
            for reason, number in lost.items():
                outbox.count_dropped(tx, reason, number)

        def done(error: StoreError | None) -> None:
            if error is not None:
                self._not_saved(lost, len(rows), error)
            self._owed(error is None)

        try:
            self._database.write(work, done)
        except StoreError as exc:
            done(exc)

    def _not_saved(self, lost: Mapping[str, int], rows: int, error: StoreError) -> None:
        with self._lock:
            self._uncounted.update(lost)
            self._uncounted[NOT_SAVED] += rows
            self._try_at = time.monotonic() + _TRY_AGAIN
        if rows:
            logger.warning("%d uploads were dropped: %s", rows, error)


def _unfit(topic: str, text: str) -> str:
    """Why an upload cannot go to the cloud, as it is counted; empty where it can."""
    if len(topic) > routing.MAX_TOPIC:
        return TOPIC_TOO_LONG
    too_long = len(text) > MAX_FRAME_BYTES or (not text.isascii() and len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES)
    return TOO_LONG if too_long else ""
