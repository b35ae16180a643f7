"""One stream connection to the cloud and the streams on it (P7.7 to P7.10). Whoever calls ``serve`` reads it; each stream has a thread of
its own, and one more for its input where it takes any."""

from __future__ import annotations

import logging
import threading
import time

from edgecore.cloudlink import CloudLink
from edgecore.containers.sessions import BAD, TOO_MANY, UNAVAILABLE, Breach, PeerGone, Session
from edgecore.containers.streams import Streams
from edgecore.edgestream.peer import CloudPeer
from edgecore.errors import LinkError
from viaduct.errors import MalformedPayload
from viaduct.streamrequest import parse_request
from viaduct.tunnel import MAX_STREAMS, Credit, End, Frame, MalformedFrame, Open, decode, encode

logger = logging.getLogger(__name__)

SILENCE = 60.0
"""Seconds without any sign of life, after which the connection is given up (P7.10)."""

_POLICY = 1008
_LOOK = 0.05


class Connection:
    """``streams`` is the door to the container engine. ``close`` from any thread ends it and every stream on it."""

    def __init__(self, link: CloudLink, streams: Streams, *, silence: float = SILENCE) -> None:
        self._link = link
        self._streams = streams
        self._silence = silence
        self._lock = threading.Lock()
        self._open: dict[int, tuple[Session, CloudPeer]] = {}
        self._last = 0

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._open)

    def serve(self) -> None:
        """Until the connection is gone. Never raises."""
        self._link.expect_within(self._silence)
        status, why = 1000, ""
        try:
            while True:
                self._take(self._link.receive())
        except LinkError as exc:
            logger.info("the stream connection is over: %s", exc)
        except MalformedFrame as exc:
            logger.warning("the cloud sent what is no frame of a stream: %s", exc)
            status, why = _POLICY, str(exc)
        finally:
            self.close(status, why)

    def answers(self, within: float) -> bool:
        """Whether the cloud still hears us on this connection; waits at most ``within`` seconds and the time of a write."""
        asked = time.monotonic()
        try:
            self._link.ping()
        except LinkError:
            return False
        while self._link.heard_at < asked:
            if time.monotonic() > asked + within:
                return False
            time.sleep(_LOOK)
        return True

    def close(self, status: int = 1000, why: str = "") -> None:
        self._link.close(status, why)
        with self._lock:
            left, self._open = list(self._open.values()), {}
        for session, peer in left:
            peer.leave()
            session.close()

    def _take(self, raw: bytes) -> None:
        """Raises MalformedFrame: no frame, and of no stream."""
        try:
            frame = decode(raw)
        except MalformedFrame as exc:
            if not exc.stream:
                raise
            self._break_off(exc.stream, str(exc))
            return
        if isinstance(frame, Open):
            self._begin(frame)
            return
        found = self._open.get(frame.stream)
        if found is None:
            return
        session, peer = found
        if isinstance(frame, Credit):
            peer.grant(frame.count)
        elif isinstance(frame, End):
            self._forget(frame.stream)
            peer.leave()
            session.close()
        else:
            try:
                session.take(frame)
            except Breach as exc:
                self._break_off(frame.stream, str(exc))

    def _begin(self, opened: Open) -> None:
        if opened.stream <= self._last:
            self._break_off(opened.stream, f"stream: {opened.stream} was used before")
            return
        self._last = opened.stream
        if len(self._open) >= MAX_STREAMS:
            self._refuse(opened.stream, TOO_MANY, f"{MAX_STREAMS} streams are open on this node already")
            return
        try:
            request = parse_request(opened.request)
        except MalformedPayload as exc:
            self._refuse(opened.stream, BAD, str(exc))
            return
        peer = CloudPeer(opened.stream, self._say)
        session = Session(request, self._streams, peer)
        with self._lock:
            self._open[opened.stream] = session, peer
        logger.debug("stream %d: %s of pod %s/%s", opened.stream, request.verb, request.namespace, request.pod)
        try:
            threading.Thread(target=self._run, args=(opened.stream, session), name=f"stream-{opened.stream}", daemon=True).start()
        except RuntimeError as exc:  # the system gives us no more threads
            self._forget(opened.stream)
            self._refuse(opened.stream, UNAVAILABLE, str(exc))

    def _run(self, stream: int, session: Session) -> None:
        session.run()
        self._forget(stream)

    def _forget(self, stream: int) -> tuple[Session, CloudPeer] | None:
        with self._lock:
            return self._open.pop(stream, None)

    def _break_off(self, stream: int, why: str) -> None:
        """The cloud broke a rule on it: the stream ends for both sides."""
        found = self._forget(stream)
        self._refuse(stream, BAD, why)
        if found is not None:
            session, peer = found
            peer.leave()
            session.close()

    def _refuse(self, stream: int, code: int, why: str) -> None:
        try:
            self._say(End(stream, code, why))
        except PeerGone as exc:
            logger.debug("stream %d: %s", stream, exc)

    def _say(self, frame: Frame) -> None:
        try:
            self._link.send_bytes(encode(frame))
        except LinkError as exc:
            raise PeerGone(str(exc)) from exc
