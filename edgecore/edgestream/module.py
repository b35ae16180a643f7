"""EdgeStream: when the cloud asks, dials a second connection and serves logs, exec, attach, port-forward and stats on it (P7).

Small while nobody asks: there is no connection then, and what serves streams is loaded with the first one (C1, C7).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.cloudlink import CloudLink
from edgecore.errors import Busy, LinkError
from viaduct.message import Message, error_to
from viaduct.vocabulary import STREAM_RESOURCE, Group, ModuleName, Operation

if TYPE_CHECKING:
    from edgecore.containers.streams import Streams
    from edgecore.edgestream.connection import Connection

logger = logging.getLogger(__name__)

ANSWER_LIMIT = 3.0
"""Seconds in which the cloud must answer on a connection that it seems to have forgotten (P7.7)."""

_NOT_SERVED, _NOT_REACHED = 501, 503
_SAY_LIMIT = 5.0


class EdgeStream(Module):
    """``dial`` opens the second connection and raises LinkError. ``streams`` None: pods are not run here, or streams not wanted."""

    name = ModuleName.EDGESTREAM
    group = Group.STREAM

    def __init__(self, switchboard: Switchboard, dial: Callable[[], CloudLink], streams: Callable[[], Streams] | None) -> None:
        self._switchboard = switchboard
        self._dial = dial
        self._streams = streams
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._dialing = False
        self._closed = False

    def take(self, letter: Any) -> None:
        if isinstance(letter, Message) and (letter.route.operation, letter.route.resource) == (Operation.CONNECT, STREAM_RESOURCE):
            self._asked(letter)
        else:
            logger.debug("EdgeStream has no use for %s", type(letter).__name__)

    def closed(self) -> None:
        with self._lock:
            self._closed = True
            connection = self._connection
        if connection is not None:
            connection.close(1001, "EdgeCore ends")

    def _asked(self, message: Message) -> None:
        if self._streams is None:
            why = "this node serves no streams (modules.edgeStream.enable, modules.edged.enable)"
            self._switchboard.send(ModuleName.EDGEHUB, _refusal(message, _NOT_SERVED, why))
            return
        with self._lock:
            if self._dialing or self._closed:
                return
            self._dialing = True
            there = self._connection
        threading.Thread(target=self._connect, args=(message, self._streams, there), name="stream-link", daemon=True).start()

    def _connect(self, message: Message, streams: Callable[[], Streams], there: Connection | None) -> None:
        """A rim thread: makes the connection and reads it until it ends, unless the one that is there does."""
        from edgecore.edgestream.connection import Connection

        if there is not None and there.answers(ANSWER_LIMIT):
            self._no_longer_dialing()
            return
        try:
            connection = Connection(self._dial(), streams())
        except LinkError as exc:
            logger.warning("no stream connection: %s", exc)
            self._no_longer_dialing()
            self._say(_refusal(message, _NOT_REACHED, str(exc)))
            return
        except BaseException:
            self._no_longer_dialing()
            raise
        with self._lock:
            self._dialing, before, self._connection = False, self._connection, connection
            closed = self._closed
        if before is not None:
            before.close()
        if closed:
            connection.close()
            return
        logger.info("a stream connection to the cloud is open")
        connection.serve()
        with self._lock:
            if self._connection is connection:
                self._connection = None

    def _no_longer_dialing(self) -> None:
        with self._lock:
            self._dialing = False

    def _say(self, refusal: Message) -> None:
        try:
            self._switchboard.send_from_rim(ModuleName.EDGEHUB, refusal, timeout=_SAY_LIMIT)
        except Busy as exc:
            logger.debug("%s; the cloud gives up by itself", exc)


def _refusal(message: Message, code: int, reason: str) -> Message:
    said = {"code": code, "reason": reason[:500], "retry": False}
    return error_to(message, said, source=ModuleName.EDGESTREAM, now_ms=time.time_ns() // 1_000_000)
