"""The local socket's protocol: the frames of P7, each behind its length (u32, big-endian). One connection is one question (P7.6)."""

from __future__ import annotations

import socket
import struct
import threading

from viaduct.tunnel import MAX_FRAME_BYTES, Frame, MalformedFrame, decode, encode

STREAM = 1
"""The only stream of a connection."""

_LENGTH = struct.Struct(">I")


class FrameSocket:
    """Frames over a stream socket. One thread reads while others write."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._writing = threading.Lock()

    def send(self, frame: Frame) -> None:
        """Raises OSError when the other end is gone or does not read in time."""
        raw = encode(frame)
        with self._writing:
            self._connection.sendall(_LENGTH.pack(len(raw)) + raw)

    def receive(self) -> Frame | None:
        """The next frame; None at the end.

        Raises:
            MalformedFrame: what came is none. OSError: nothing came in time.
        """
        head = self._exactly(_LENGTH.size)
        if head is None:
            return None
        length: int = _LENGTH.unpack(head)[0]
        if length > MAX_FRAME_BYTES:
            raise MalformedFrame("frame", f"{length} bytes, the limit is {MAX_FRAME_BYTES}")
        raw = self._exactly(length)
        return None if raw is None else decode(raw)

    def _exactly(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            part = self._connection.recv(size - len(parts))
            if not part:
                return None
            parts += part
        return bytes(parts)
