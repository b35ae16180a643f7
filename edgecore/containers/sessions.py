"""One stream at work on the board: a request, a peer that asked for it, and Podman. Who the peer is does not matter here.

``run`` is called in a thread of its own and may wait; ``take`` is called by whoever reads frames and never waits.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
from collections.abc import Callable
from typing import Protocol

from edgecore.containers import portforward, usage
from edgecore.containers.choosing import choose
from edgecore.containers.labels import CONTAINER
from edgecore.containers.model import Container, State
from edgecore.containers.streams import Running, Streams
from edgecore.errors import EngineError, EngineUnreachable, NobodyListens, NotFound, NotRunning
from viaduct.streamrequest import StreamRequest, Verb
from viaduct.tunnel import MAX_DATA, WINDOW, Channel, Data, End, Eof, Frame, Resize

logger = logging.getLogger(__name__)

OK, BAD, NOT_FOUND, CONFLICT, TOO_MANY, FAILED, BAD_GATEWAY, UNAVAILABLE = 200, 400, 404, 409, 429, 500, 502, 503
"""Codes of END (P7.9)."""

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (NotFound, NOT_FOUND),
    (NotRunning, CONFLICT),
    (NobodyListens, BAD_GATEWAY),
    (EngineUnreachable, UNAVAILABLE),
)


class PeerGone(Exception):
    """Who asked is no longer there."""


class Peer(Protocol):
    """Who asked. ``data`` waits until it takes more; each may raise PeerGone. ``consumed`` lets it send so many bytes more."""

    def ready(self) -> None: ...
    def data(self, channel: Channel, data: bytes) -> None: ...
    def eof(self, channel: Channel) -> None: ...
    def consumed(self, count: int) -> None: ...
    def end(self, code: int, reason: str = "", exit_code: int | None = None) -> None: ...


class Breach(Exception):
    """The peer has sent what it may not; the text begins with the field."""


class Session:
    """``run`` once; ``close`` from any thread ends it."""

    def __init__(self, request: StreamRequest, streams: Streams, peer: Peer) -> None:
        self._request = request
        self._streams = streams
        self._peer = peer
        self._input: queue.SimpleQueue[bytes | tuple[()] | None] = queue.SimpleQueue()
        self._queued = 0
        self._size: tuple[int, int] | None = None
        self._input_ended = False
        self._lock = threading.Lock()
        self._close: Callable[[], None] | None = None
        self._closed = False

    def run(self) -> None:
        """Serve until one side ends it. Never raises."""
        code, reason, exit_code = OK, "", None
        try:
            exit_code = self._work()
        except PeerGone:
            return
        except (NotFound, EngineError, OSError) as exc:
            code, reason = next((code for kind, code in _CODES if isinstance(exc, kind)), FAILED), str(exc)
        except Exception as exc:
            logger.exception("stream %s of pod %s failed", self._request.verb, self._request.pod)
            code, reason = FAILED, f"{type(exc).__name__}: {exc}"
        finally:
            self.close()
        with contextlib.suppress(PeerGone):
            self._peer.end(code, reason, exit_code)

    def take(self, frame: Frame) -> None:
        """A frame of this stream from the peer. What is queued is bounded: by the window, one size and one end.

        Raises:
            Breach: it sends more than it was granted (P7.5).
        """
        match frame:
            case Data(data=data):
                with self._lock:
                    self._queued += len(data)
                    too_much = self._queued > WINDOW
                    ended = self._input_ended
                if too_much:
                    raise Breach(f"data: more than {WINDOW} bytes were sent ahead")
                if data and not ended:
                    self._input.put(data)
            case Resize(width=width, height=height):
                with self._lock:
                    told, self._size = self._size is not None, (width, height)
                if not told:
                    self._input.put(())
            case Eof():
                self._end_input()
            case End():
                self.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            close = self._close
        self._end_input()
        if close is not None:
            close()

    def _end_input(self) -> None:
        with self._lock:
            told, self._input_ended = self._input_ended, True
        if not told:
            self._input.put(None)

    def _work(self) -> int | None:
        """The exit code, where a process has ended."""
        verbs: dict[Verb, Callable[[], int | None]] = {
            Verb.LOGS: self._logs,
            Verb.EXEC: self._execute,
            Verb.ATTACH: self._attach,
            Verb.PORTFORWARD: self._forward,
            Verb.STATS: self._stats,
        }
        return verbs[self._request.verb]()

    def _logs(self) -> None:
        request = self._request
        container = self._container(previous=request.previous)
        follow = request.follow and container.state is State.RUNNING
        running = self._streams.logs(container.id, follow=follow, tail=request.tail, since=request.since, timestamps=request.timestamps)
        self._closes(running.close)
        self._peer.ready()
        left = request.limit or -1
        for channel, data in running.output():
            if left >= 0:
                data, left = data[:left], left - len(data[:left])
            self._peer.data(Channel(channel), data)
            if left == 0:
                return

    def _execute(self) -> int | None:
        request = self._request
        running = self._streams.execute(self._running().id, list(request.command), stdin=request.stdin, tty=request.tty)
        self._closes(running.close)
        try:
            self._converse(running, half_close=request.stdin)
        except PeerGone:
            running.hang_up()
            raise
        if self._closed:
            running.hang_up()
            return None
        return running.exit_code()

    def _attach(self) -> None:
        """What the container's first process says from now on, and its input."""
        running = self._streams.attach(self._running().id, stdin=self._request.stdin)
        self._closes(running.close)
        self._converse(running, half_close=self._request.stdin)

    def _forward(self) -> None:
        container = self._any_running()
        running = portforward.Forwarding(portforward.connect(container.pid, container.id, self._request.port))
        self._closes(running.close)
        feeding = self._converse(running, half_close=True)
        self._peer.eof(Channel.STDOUT)
        feeding.join()

    def _stats(self) -> None:
        summary = json.dumps(usage.whole(self._streams), separators=(",", ":")).encode()
        self._peer.ready()
        for start in range(0, len(summary), MAX_DATA):
            self._peer.data(Channel.STDOUT, summary[start : start + MAX_DATA])

    def _converse(self, running: Running | portforward.Forwarding, *, half_close: bool) -> threading.Thread:
        """Until the output ends. The thread that is returned ends with the input."""
        self._peer.ready()
        feeding = threading.Thread(target=self._feed, args=(running, half_close), name="stream-input", daemon=True)
        feeding.start()
        for channel, data in running.output():
            self._peer.data(Channel(channel), data)
        return feeding

    def _feed(self, running: Running | portforward.Forwarding, half_close: bool) -> None:
        """Input and terminal sizes, in order. A process that reads no more input does not end the stream."""
        while (item := self._input.get()) is not None:
            if not item:
                with self._lock:
                    size, self._size = self._size, None
                if size is not None:
                    running.resize(*size)
                continue
            with contextlib.suppress(OSError):
                running.write(bytes(item))
            self._consumed(len(item))
        if not self._closed and half_close:
            running.end_input()

    def _consumed(self, count: int) -> None:
        with self._lock:
            self._queued -= count
        with contextlib.suppress(PeerGone):
            self._peer.consumed(count)

    def _closes(self, close: Callable[[], None]) -> None:
        with self._lock:
            self._close = close
            closed = self._closed
        if closed:
            close()

    def _running(self) -> Container:
        container = self._container()
        if container.state is not State.RUNNING:
            raise NotRunning(f"container {container.label(CONTAINER)} of pod {self._request.pod} does not run")
        return container

    def _any_running(self) -> Container:
        """The network is that of the whole pod."""
        request = self._request
        found = self._streams.containers(request.namespace, request.pod, request.uid)
        if not found:
            raise NotFound(f"pod {request.pod} has no containers on this node")
        running = next((c for c in found if c.state is State.RUNNING), None)
        if running is None:
            raise NotRunning(f"no container of pod {request.pod} runs")
        return running

    def _container(self, *, previous: bool = False) -> Container:
        request = self._request
        found = self._streams.containers(request.namespace, request.pod, request.uid)
        return choose(found, request.pod, request.container, previous=previous)
