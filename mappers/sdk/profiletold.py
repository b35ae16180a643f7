"""The devices as EdgeCore tells them over MQTT (P6.16): asked for until they are told, followed as they change."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping

from mappers.sdk.schedule import Backoff
from viaduct import topics
from viaduct.device import to_text
from viaduct.deviceparse import parse_profiles

logger = logging.getLogger(__name__)

ASK_SECONDS = 0.5
ASK_LIMIT = 30.0
"""First and longest time between two questions that nobody answers."""

SURE_SECONDS = 60.0
"""Between two questions whether what was told still holds: a message that was lost on the way costs no more than this."""

UNANSWERED = 5
"""Questions after which we say so, and after which another node at the broker may answer than the one that did before."""

Publish = Callable[[str, str], bool]
"""Topic and payload; False when there is no broker now."""


class ProfileTold:
    """A source of devices. ``look`` is called by the mapper's loop, ``take`` and ``broker_back`` by the broker's thread.

    While EdgeCore is away what it told last holds.
    """

    name = "EdgeCore's devices"
    gone = "EdgeCore has no devices for mappers any more"

    def __init__(self, publish: Publish, node: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        """``node``: whose devices, where several boards share a broker; empty: of whoever answers first."""
        self._publish = publish
        self._wanted = node
        self._clock = clock
        self._lock = threading.Lock()
        self._node = node
        self._digest = ""
        self._told: Mapping[str, bytes] = {}
        self._backoff = Backoff(ASK_SECONDS, ASK_LIMIT)
        self._ask_due = 0.0
        self._unanswered = 0
        self._strangers: set[str] = set()

    @property
    def awaited(self) -> str:
        return "EdgeCore knows no devices yet" if self._digest else "asking EdgeCore which devices there are"

    def look(self) -> Mapping[str, bytes]:
        with self._lock:
            now = self._clock()
            if now >= self._ask_due:
                self._ask(now)
            return self._told

    def take(self, topic: str, payload: bytes) -> bool:
        """Whether the message was meant for us. Raises MalformedPayload."""
        node = topics.profile_teller(topic)
        if not node:
            return False
        with self._lock:
            if self._is_ours(node):
                self._hear(node, *parse_profiles(payload))
        return True

    def broker_back(self) -> None:
        """There is a (new) connection: what was said meanwhile is lost."""
        with self._lock:
            self._backoff.reset()
            self._ask_due = 0.0

    def _ask(self, now: float) -> None:
        question = {"event_id": uuid.uuid4().hex, "timestamp": time.time_ns() // 1_000_000, "have": self._digest}
        if not self._publish(topics.profile_get(self._wanted or topics.ANY_NODE), to_text(question)):
            return
        self._unanswered += 1
        self._ask_due = self._backoff.after_failure(now)
        if self._unanswered == UNANSWERED:
            logger.warning(
                "EdgeCore does not tell its devices; asking until it does. That of KubeEdge never will: name its file (--profile)"
            )

    def _is_ours(self, node: str) -> bool:
        if node == self._node or (not self._wanted and (not self._node or self._unanswered >= UNANSWERED)):
            return True
        if node not in self._strangers and not self._wanted:
            logger.warning("node %s is at this broker too and is not listened to; --node says whose devices are meant", node)
        self._strangers.add(node)
        return False

    def _hear(self, node: str, digest: str, profiles: Mapping[str, str] | None) -> None:
        now = self._clock()
        if profiles is not None:
            self._told = {namespace: text.encode() for namespace, text in profiles.items()}
            self._digest, self._node = digest, node
        elif digest != self._digest:
            # Said to another mapper, which knows more than we do.
            self._ask_due = now
            return
        self._unanswered = 0
        self._backoff.reset()
        self._ask_due = now + SURE_SECONDS
