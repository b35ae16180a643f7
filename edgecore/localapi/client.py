"""The command line's end of the local socket."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import Any, BinaryIO

from edgecore.errors import EdgeCoreError
from edgecore.localapi.wire import STREAM, FrameSocket
from viaduct.streamrequest import StreamRequest
from viaduct.tunnel import MAX_DATA, WINDOW, Channel, Credit, Data, End, Eof, MalformedFrame, Open, Ready, Resize

ANSWER_LIMIT = 120.0


class Refused(EdgeCoreError):
    """EdgeCore answered with an error."""


def ask(path: str, question: dict[str, Any]) -> Any:
    """Raises Refused; EdgeCoreError where EdgeCore cannot be asked."""
    connection = _connect(path)
    connection.settimeout(ANSWER_LIMIT)
    frames = FrameSocket(connection)
    parts: list[bytes] = []
    try:
        frames.send(Open(STREAM, question))
        while True:
            frame = frames.receive()
            if isinstance(frame, Data):
                parts.append(frame.data)
            elif isinstance(frame, End):
                _raise_unless_good(frame)
                return json.loads(b"".join(parts))
            elif not isinstance(frame, Ready):
                raise EdgeCoreError("EdgeCore ended the connection")
    except (OSError, ValueError, MalformedFrame) as exc:
        raise EdgeCoreError(f"EdgeCore did not answer: {exc}") from exc
    finally:
        connection.close()


def stream(path: str, request: StreamRequest) -> int:
    """Carry standard input and output until the stream ends; the exit code of what ran."""
    connection = _connect(path)
    frames = FrameSocket(connection)
    frames.send(Open(STREAM, request.as_json()))
    with _raw_terminal(request.tty and request.stdin), contextlib.closing(connection):
        allowance = _Allowance()
        if request.tty:
            _follow_size(frames)
        if request.stdin:
            threading.Thread(target=_send_input, args=(frames, allowance), name="input", daemon=True).start()
        return _receive(frames, allowance)


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        raise EdgeCoreError(f"EdgeCore does not run on this machine (nobody answers at {path}), or modules.localAPI is off") from None
    except OSError as exc:
        connection.close()
        hint = ": it answers root only" if isinstance(exc, PermissionError) else ""
        raise EdgeCoreError(f"{path}: {exc.strerror or exc}{hint}") from exc
    return connection


def _receive(frames: FrameSocket, allowance: _Allowance) -> int:
    outputs: dict[Channel, BinaryIO] = {Channel.STDOUT: sys.stdout.buffer, Channel.STDERR: sys.stderr.buffer}
    try:
        while (frame := frames.receive()) is not None:
            if isinstance(frame, Data) and frame.channel in outputs:
                outputs[frame.channel].write(frame.data)
                outputs[frame.channel].flush()
            elif isinstance(frame, Credit):
                allowance.grant(frame.count)
            elif isinstance(frame, End):
                _raise_unless_good(frame)
                return frame.exit_code or 0
    except (OSError, MalformedFrame) as exc:
        raise EdgeCoreError(f"the stream broke: {exc}") from exc
    raise EdgeCoreError("EdgeCore ended the connection")


def _raise_unless_good(end: End) -> None:
    if end.code != 200:
        raise Refused(end.reason or f"refused with code {end.code}")


class _Allowance:
    """How much may still be sent ahead (P7.5)."""

    def __init__(self) -> None:
        self._left = WINDOW
        self._changed = threading.Condition()

    def grant(self, count: int) -> None:
        with self._changed:
            self._left += count
            self._changed.notify()

    def take(self, most: int) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._left > 0)
            taken = min(most, self._left)
            self._left -= taken
            return taken

    def give_back(self, count: int) -> None:
        self.grant(count)


def _send_input(frames: FrameSocket, allowance: _Allowance) -> None:
    with contextlib.suppress(OSError):
        while True:
            room = allowance.take(MAX_DATA)
            data = os.read(sys.stdin.fileno(), room)
            if not data:
                break
            allowance.give_back(room - len(data))
            frames.send(Data(STREAM, Channel.STDIN, data))
        frames.send(Eof(STREAM, Channel.STDIN))


@contextlib.contextmanager
def _raw_terminal(wanted: bool) -> Iterator[None]:
    """Keys go through as they are typed, Ctrl-C included; afterwards the terminal is as it was."""
    if not (wanted and sys.stdin.isatty()):
        yield
        return
    before = termios.tcgetattr(sys.stdin.fileno())
    try:
        tty.setraw(sys.stdin.fileno())
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


def _follow_size(frames: FrameSocket) -> None:
    def tell(*_: Any) -> None:
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(sys.stdin.fileno())
            frames.send(Resize(STREAM, size.columns, size.lines))

    tell()
    signal.signal(signal.SIGWINCH, tell)
