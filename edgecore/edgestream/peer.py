"""Who asked for a stream from the cloud, as a session sees them: what is said goes out in frames, as far as that was granted (P7.5)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgecore.containers.sessions import PeerGone
from viaduct.tunnel import MAX_DATA, WINDOW, Channel, Credit, Data, End, Eof, Frame, Ready

_GRANT_AT = WINDOW // 4
"""Bytes that are granted at once, so that not every key pressed costs a frame back."""


class CloudPeer:
    """``say`` sends a frame and raises PeerGone where the connection is gone. A session's threads call this; ``grant`` and ``leave``
    whoever reads frames."""

    def __init__(self, stream: int, say: Callable[[Frame], None]) -> None:
        self._stream = stream
        self._say = say
        self._left = WINDOW
        self._consumed = 0
        self._gone = False
        self._changed = threading.Condition()

    def ready(self) -> None:
        self._tell(Ready(self._stream))

    def data(self, channel: Channel, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            room = self._take(min(len(rest), MAX_DATA))
            self._tell(Data(self._stream, channel, bytes(rest[:room])))
            rest = rest[room:]

    def eof(self, channel: Channel) -> None:
        self._tell(Eof(self._stream, channel))

    def consumed(self, count: int) -> None:
        with self._changed:
            self._consumed += count
            if self._consumed < _GRANT_AT:
                return
            granted, self._consumed = self._consumed, 0
        self._tell(Credit(self._stream, granted))

    def end(self, code: int, reason: str = "", exit_code: int | None = None) -> None:
        self._tell(End(self._stream, code, reason, exit_code))
        self.leave()

    def grant(self, count: int) -> None:
        with self._changed:
            self._left += count
            self._changed.notify_all()

    def leave(self) -> None:
        """The stream is over: nothing more is said on it, and who waits to say something is woken."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _take(self, most: int) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._left > 0 or self._gone)
            if self._gone:
                raise PeerGone("the stream has ended")
            taken = min(most, self._left)
            self._left -= taken
            return taken

    def _tell(self, frame: Frame) -> None:
        if self._gone:
            raise PeerGone("the stream has ended")
        self._say(frame)
