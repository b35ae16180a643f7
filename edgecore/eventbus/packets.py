"""MQTT 3.1.1 packets, as much of it as a client needs that publishes at QoS 0 to 2 and listens at QoS 1. Pure: bytes in, values out.

Why not an MQTT library: paho's cost of a quarter of a millisecond of CPU for one update and its three answers at QoS 1 is most of what a
board has (docs/decisions/0010). Encoding and acknowledging by the batch costs a tenth of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

MAX_PAYLOAD = 4 * 1024 * 1024
"""Longer messages are read past, not kept: an upload must fit one frame to the cloud."""

MAX_TOPIC = 65535
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"

_CONNACK, _PUBLISH, _PUBACK, _PUBREC, _PUBREL, _PUBCOMP, _SUBACK, _UNSUBACK, _PINGRESP = 2, 3, 4, 5, 6, 7, 9, 11, 13
_ID = struct.Struct(">H")
_ACK = struct.Struct(">BBH")
_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it refuses our client id",
    3: "it is not available",
    4: "user name or password is wrong",
    5: "not authorised",
}


class BadPacket(Exception):
    """What came is not MQTT; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Connected:
    """``refusal`` is empty where the broker took us."""

    refusal: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message for us. ``packet_id`` 0: QoS 0, nothing to acknowledge. ``payload`` None: it was longer than MAX_PAYLOAD."""

    topic: str
    payload: bytes | None
    packet_id: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The broker has taken what we published."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Received:
    """First half of QoS 2: to be answered by ``release``."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    packet_id: int
    granted: bytes

    @property
    def refused(self) -> bool:
        return 0x80 in self.granted


@dataclass(frozen=True, slots=True)
class Alive:
    """Answer to PINGREQ."""


Packet = Connected | Delivered | Settled | Received | Subscribed | Alive


def connect(client_id: str, *, keepalive: int, username: str = "", password: str = "") -> bytes:
    """CONNECT with a clean session. ``keepalive`` in seconds."""
    flags = 0x02 | (0x80 if username else 0) | (0x40 if username and password else 0)
    parts = [_text("MQTT"), bytes((4, flags)), _ID.pack(keepalive), _text(client_id)]
    if username:
        parts.append(_text(username))
        if password:
            parts.append(_text(password))
    return _packet(0x10, b"".join(parts))


def subscribe(packet_id: int, filters: Iterable[str], qos: int) -> bytes:
    return _packet(0x82, _ID.pack(packet_id) + b"".join(_text(pattern) + bytes((qos,)) for pattern in filters))


def publish(topic: str, payload: bytes, *, qos: int, retain: bool, packet_id: int) -> bytes:
    """PUBLISH. ``packet_id`` counts only above QoS 0."""
    name = topic.encode()
    first = 0x30 | qos << 1 | retain
    if qos:
        return b"".join((_head(first, len(name) + len(payload) + 4), _ID.pack(len(name)), name, _ID.pack(packet_id), payload))
    return b"".join((_head(first, len(name) + len(payload) + 2), _ID.pack(len(name)), name, payload))


def repeated(packet: bytes) -> bytes:
    """The PUBLISH ``packet`` as it is said again (flag DUP)."""
    return bytes((packet[0] | 0x08,)) + packet[1:]


def acknowledge(packet_id: int) -> bytes:
    return _ACK.pack(0x40, 2, packet_id)


def release(packet_id: int) -> bytes:
    """PUBREL: second half of QoS 2."""
    return _ACK.pack(0x62, 2, packet_id)


class Parser:
    """Bytes as they come to packets. Keeps what is not complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that ``data`` completes.

        Raises:
            BadPacket: not MQTT, or a packet that a broker does not send to us.
        """
        if self._skip:
            data = self._skipped(data)
        buffer = self._buffer
        buffer += data
        found: list[Packet] = []
        at = 0
        while True:
            head = _remaining_length(buffer, at)
            if head is None:
                break
            length, start = head
            if length > MAX_PAYLOAD + MAX_TOPIC:
                if len(buffer) < min(start + 4 + MAX_TOPIC, start + length):
                    break
                found.append(_delivered(buffer, at, start, start + length, keep=False))
                present = min(len(buffer), start + length)
                self._skip = start + length - present
                at = present
                continue
            if len(buffer) < start + length:
                break
            found.append(_read(buffer, at, start, start + length))
            at = start + length
        del buffer[:at]
        return found

    def _skipped(self, data: bytes) -> bytes:
        rest = data[self._skip :]
        self._skip -= len(data) - len(rest)
        return rest


def _remaining_length(buffer: bytearray, at: int) -> tuple[int, int] | None:
    """(length, where it begins), or None where the header is not complete."""
    length = shift = 0
    for index in range(at + 1, at + 5):
        if index >= len(buffer):
            return None
        byte = buffer[index]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length, index + 1
        shift += 7
    raise BadPacket("the length of a packet takes more than four bytes")


def _read(buffer: bytearray, at: int, start: int, end: int) -> Packet:
    kind = buffer[at] >> 4
    if kind == _PUBLISH:
        return _delivered(buffer, at, start, end, keep=True)
    if kind in (_PUBACK, _PUBCOMP) and end - start == 2:
        return Settled(_ID.unpack_from(buffer, start)[0])
    if kind == _PUBREC and end - start == 2:
        return Received(_ID.unpack_from(buffer, start)[0])
    if kind == _SUBACK and end - start >= 3:
        return Subscribed(_ID.unpack_from(buffer, start)[0], bytes(buffer[start + 2 : end]))
    if kind == _PINGRESP and end == start:
        return Alive()
    if kind == _CONNACK and end - start == 2:
        code = buffer[start + 1]
        return Connected("" if code == 0 else _REFUSALS.get(code, f"code {code}"))
    raise BadPacket(f"a packet of kind {kind} with {end - start} bytes is not expected")


def _delivered(buffer: bytearray, at: int, start: int, end: int, *, keep: bool) -> Delivered:
    qos = buffer[at] >> 1 & 3
    if buffer[at] >> 4 != _PUBLISH or qos > 1 or end - start < 2:
        raise BadPacket(f"a packet of kind {buffer[at] >> 4} with {end - start} bytes and QoS {qos} is not expected")
    size = _ID.unpack_from(buffer, start)[0]
    body = start + 2 + size
    packet_id = 0
    if body + (2 if qos else 0) > end:
        raise BadPacket("a topic is longer than its packet")
    try:
        topic = buffer[start + 2 : body].decode()
    except UnicodeDecodeError as exc:
        raise BadPacket("a topic is not UTF-8") from exc
    if qos:
        packet_id = _ID.unpack_from(buffer, body)[0]
        body += 2
    return Delivered(topic, bytes(buffer[body:end]) if keep else None, packet_id)


def _packet(first: int, body: bytes) -> bytes:
    return _head(first, len(body)) + body


def _head(first: int, length: int) -> bytes:
    if length < 0x80:
        return bytes((first, length))
    head = bytearray((first,))
    while True:
        length, byte = length >> 7, length & 0x7F
        if not length:
            head.append(byte)
            return bytes(head)
        head.append(byte | 0x80)


def _text(text: str) -> bytes:
    raw = text.encode()
    return _ID.pack(len(raw)) + raw
