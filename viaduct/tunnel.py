"""Frames of the stream connection: logs, exec, attach and port-forward between board and cloud (P7).

One frame is one binary message: kind (u8), stream (u32, big-endian), payload. The same frames, each behind its length, are what the command
line on the board speaks over the local socket (P7.6).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from viaduct.errors import ViaductError

MAX_DATA = 32 * 1024
"""Bytes of one DATA frame."""

MAX_FRAME_BYTES = 64 * 1024
WINDOW = 256 * 1024
"""Bytes that may be on the way in one direction of one stream before the receiver has granted more (P7.5)."""

MAX_STREAMS = 64
"""Streams of one node at once."""

_HEAD = struct.Struct(">BI")
_SIZE = struct.Struct(">HH")
_COUNT = struct.Struct(">I")
_MOST_GRANT = 16 * 1024 * 1024


class Channel(IntEnum):
    """Which of a process's streams the bytes of a DATA frame belong to."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2


class MalformedFrame(ViaductError):
    """Bytes that are no frame. ``field`` is the part at fault; ``stream`` its stream where that much could be read, else 0."""

    def __init__(self, field: str, reason: str, *, stream: int = 0) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.stream = stream


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a stream; ``request`` is what ``viaduct.streamrequest`` reads."""

    stream: int
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ready:
    """What was asked for runs; its data follow."""

    stream: int


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    channel: Channel
    data: bytes


@dataclass(frozen=True, slots=True)
class Eof:
    """No more data in this channel."""

    stream: int
    channel: Channel


@dataclass(frozen=True, slots=True)
class Resize:
    """The terminal's size, in characters."""

    stream: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Credit:
    """``count`` bytes more may be sent to who says this."""

    stream: int
    count: int


@dataclass(frozen=True, slots=True)
class End:
    """The stream is over. ``code`` is an HTTP status: 200 for a regular end. ``exit_code`` of a process that has ended."""

    stream: int
    code: int = 200
    reason: str = ""
    exit_code: int | None = None


Frame = Open | Ready | Data | Eof | Resize | Credit | End

_OPEN, _READY, _DATA, _EOF, _RESIZE, _CREDIT, _END = range(1, 8)


def encode(frame: Frame) -> bytes:
    """The bytes of ``frame``; text that is too long is cut.

    Raises:
        MalformedFrame: more data than one frame may hold, or a request that is too long.
    """
    match frame:
        case Open(stream, request):
            return _capped(_HEAD.pack(_OPEN, stream) + _json(request))
        case Ready(stream):
            return _HEAD.pack(_READY, stream)
        case Data(stream, channel, data):
            if len(data) > MAX_DATA:
                raise MalformedFrame("data", f"{len(data)} bytes, the limit is {MAX_DATA}", stream=stream)
            return b"%b%c%b" % (_HEAD.pack(_DATA, stream), channel, data)
        case Eof(stream, channel):
            return b"%b%c" % (_HEAD.pack(_EOF, stream), channel)
        case Resize(stream, width, height):
            return _HEAD.pack(_RESIZE, stream) + _SIZE.pack(min(width, 0xFFFF), min(height, 0xFFFF))
        case Credit(stream, count):
            return _HEAD.pack(_CREDIT, stream) + _COUNT.pack(count)
        case End(stream, code, reason, exit_code):
            said = {"code": code, "reason": reason[:2000], **({} if exit_code is None else {"exit": exit_code})}
            return _HEAD.pack(_END, stream) + _json(said)


def decode(raw: bytes) -> Frame:
    """Raises MalformedFrame; nothing else, whatever the bytes are."""
    if len(raw) > MAX_FRAME_BYTES:
        raise MalformedFrame("frame", f"{len(raw)} bytes, the limit is {MAX_FRAME_BYTES}")
    if len(raw) < _HEAD.size:
        raise MalformedFrame("frame", f"{len(raw)} bytes are no frame")
    kind, stream = _HEAD.unpack_from(raw)
    if stream == 0:
        raise MalformedFrame("stream", "0 is no stream")
    payload = raw[_HEAD.size :]
    if kind == _DATA:
        return Data(stream, _channel(stream, payload, 1), _data(stream, payload))
    if kind == _CREDIT:
        return Credit(stream, _credit(stream, payload))
    if kind == _OPEN:
        return Open(stream, _object(stream, "request", payload))
    if kind == _READY:
        _exactly(stream, payload, 0)
        return Ready(stream)
    if kind == _EOF:
        _exactly(stream, payload, 1)
        return Eof(stream, _channel(stream, payload, 1))
    if kind == _RESIZE:
        _exactly(stream, payload, _SIZE.size)
        return Resize(stream, *_SIZE.unpack(payload))
    if kind == _END:
        return _end(stream, _object(stream, "end", payload))
    raise MalformedFrame("kind", f"{kind} is no kind of frame", stream=stream)


def _capped(raw: bytes) -> bytes:
    if len(raw) > MAX_FRAME_BYTES:
        raise MalformedFrame("request", f"{len(raw)} bytes, the limit is {MAX_FRAME_BYTES}")
    return raw


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape")


def _data(stream: int, payload: bytes) -> bytes:
    if len(payload) - 1 > MAX_DATA:
        raise MalformedFrame("data", f"{len(payload) - 1} bytes, the limit is {MAX_DATA}", stream=stream)
    return payload[1:]


def _credit(stream: int, payload: bytes) -> int:
    _exactly(stream, payload, _COUNT.size)
    count: int = _COUNT.unpack(payload)[0]
    if not 0 < count <= _MOST_GRANT:
        raise MalformedFrame("credit", f"{count} is not between 1 and {_MOST_GRANT}", stream=stream)
    return count


def _channel(stream: int, payload: bytes, least: int) -> Channel:
    if len(payload) < least:
        raise MalformedFrame("channel", "is missing", stream=stream)
    try:
        return Channel(payload[0])
    except ValueError:
        raise MalformedFrame("channel", f"{payload[0]} is no channel", stream=stream) from None


def _exactly(stream: int, payload: bytes, size: int) -> None:
    if len(payload) != size:
        raise MalformedFrame("payload", f"expected {size} bytes, got {len(payload)}", stream=stream)


def _object(stream: int, field: str, payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise MalformedFrame(field, f"not JSON: {str(exc)[:200]}", stream=stream) from exc
    if not isinstance(value, dict):
        raise MalformedFrame(field, "expected an object", stream=stream)
    return value


def _end(stream: int, said: dict[str, Any]) -> End:
    code, exit_code, reason = said.get("code"), said.get("exit"), said.get("reason", "")
    if type(code) is not int or not 100 <= code <= 599:
        raise MalformedFrame("end.code", "expected an HTTP status", stream=stream)
    if exit_code is not None and (type(exit_code) is not int or not -1 <= exit_code <= 255):
        raise MalformedFrame("end.exit", "expected an exit code", stream=stream)
    if not isinstance(reason, str):
        raise MalformedFrame("end.reason", "expected text", stream=stream)
    return End(stream, code, reason, exit_code)
