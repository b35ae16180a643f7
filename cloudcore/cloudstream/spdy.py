"""The part of SPDY/3.1 that Kubernetes speaks: frames to bytes and back, without I/O.

No kept library has it. As Kubernetes' own ends do, we neither send WINDOW_UPDATE nor wait for it: TCP holds a fast sender back.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cloudcore.cloudstream.spdydictionary import DICTIONARY

MAX_PAYLOAD = 1024 * 1024
"""Bytes of one frame; who writes more is refused."""

MAX_HEADERS = 16 * 1024

_VERSION = 3
_FIN, _UNIDIRECTIONAL = 0x01, 0x02
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
_HEAD = struct.Struct(">II")
_LONG = struct.Struct(">I")
_PAIR = struct.Struct(">II")
_CONTROL = 0x8000_0000
_STREAM = 0x7FFF_FFFF


class SpdyError(Exception):
    """Bytes that are no SPDY/3.1; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """SYN_STREAM. Header names are lower case."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Bytes:
    """DATA. ``fin``: the sender's half is closed."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """RST_STREAM."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last: int = 0


Frame = Opened | Bytes | Reset | Ping | GoAway


class Codec:
    """One connection: header blocks are compressed over its whole life, so frames must be read and written in order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now; those that mean nothing to us are left out.

        Raises:
            SpdyError: what came is no SPDY/3.1, or more than is taken.
        """
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            first, second = _HEAD.unpack_from(self._buffer)
            length = second & 0xFF_FFFF
            if length > MAX_PAYLOAD:
                raise SpdyError(f"a frame of {length} bytes, the limit is {MAX_PAYLOAD}")
            if len(self._buffer) < _HEAD.size + length:
                return
            payload = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
            del self._buffer[: _HEAD.size + length]
            flags = second >> 24
            frame = self._control(first, flags, payload) if first & _CONTROL else Bytes(first, payload, bool(flags & _FIN))
            if frame is not None:
                yield frame

    def accept(self, stream: int) -> bytes:
        """SYN_REPLY without headers."""
        return _control(_SYN_REPLY, _LONG.pack(stream) + self._compressed({}))

    def open(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """SYN_STREAM."""
        return _control(_SYN_STREAM, _PAIR.pack(stream, 0) + b"\0\0" + self._compressed(headers))

    def _control(self, first: int, flags: int, payload: bytes) -> Frame | None:
        version, kind = (first >> 16) & 0x7FFF, first & 0xFFFF
        if version != _VERSION:
            raise SpdyError(f"version {version} of SPDY, expected {_VERSION}")
        if kind == _SYN_STREAM:
            stream = _number(payload, 0) & _STREAM
            return Opened(stream, self._headers(payload[10:]), bool(flags & _FIN))
        if kind in (_SYN_REPLY, _HEADERS):
            self._headers(payload[4:])  # read all the same, or the compression falls out of step
            return Bytes(_number(payload, 0) & _STREAM, b"", fin=True) if flags & _FIN else None
        if kind == _RST_STREAM:
            return Reset(_number(payload, 0) & _STREAM, _number(payload, 4))
        if kind == _PING:
            return Ping(_number(payload, 0))
        if kind == _GOAWAY:
            return GoAway(_number(payload, 0) & _STREAM)
        if kind in (_SETTINGS, _WINDOW_UPDATE):
            return None
        raise SpdyError(f"{kind} is no kind of frame")

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, MAX_HEADERS)
        except zlib.error as exc:
            raise SpdyError(f"headers cannot be unpacked: {exc}") from exc
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"more than {MAX_HEADERS} bytes of headers")
        return _read_headers(plain)

    def _compressed(self, headers: Mapping[str, str]) -> bytes:
        plain = _LONG.pack(len(headers)) + b"".join(_text(part) for pair in headers.items() for part in pair)
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def data(stream: int, payload: bytes, *, fin: bool = False) -> bytes:
    """DATA of at most ``MAX_PAYLOAD`` bytes."""
    return _HEAD.pack(stream, (_FIN if fin else 0) << 24 | len(payload)) + payload


def reset(stream: int, status: int = 5) -> bytes:
    """RST_STREAM; 5 is CANCEL."""
    return _control(_RST_STREAM, _PAIR.pack(stream, status))


def ping(number: int) -> bytes:
    return _control(_PING, _LONG.pack(number))


def go_away(last: int) -> bytes:
    return _control(_GOAWAY, _PAIR.pack(last, 0))


def _control(kind: int, payload: bytes) -> bytes:
    return _HEAD.pack(_CONTROL | _VERSION << 16 | kind, len(payload)) + payload


def _text(text: str) -> bytes:
    raw = text.encode("utf-8")
    return _LONG.pack(len(raw)) + raw


def _number(payload: bytes, at: int) -> int:
    if len(payload) < at + _LONG.size:
        raise SpdyError("a control frame is too short")
    number: int = _LONG.unpack_from(payload, at)[0]
    return number


def _read_headers(plain: bytes) -> dict[str, str]:
    texts: list[str] = []
    at = _LONG.size
    for _ in range(2 * _number(plain, 0)):
        length = _number(plain, at)
        at += _LONG.size
        if at + length > len(plain):
            raise SpdyError("headers are cut off")
        texts.append(plain[at : at + length].decode("utf-8", "replace"))
        at += length
    return {name.lower(): value for name, value in zip(texts[::2], texts[1::2], strict=True)}
