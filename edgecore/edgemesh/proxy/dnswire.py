"""DNS messages (RFC 1035, 2782), as far as a server of a few names needs them: a question in, an answer out. Pure."""

from __future__ import annotations

import struct

A, NS, CNAME, SOA, PTR, AAAA, SRV, ANY = 1, 2, 5, 6, 12, 28, 33, 255
IN = 1
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED = 0, 1, 2, 3, 4

LONGEST_UDP = 512
"""Bytes of an answer that every asker can take over UDP; a longer one is asked for again over TCP."""

_HEADER = struct.Struct("!HHHHHH")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHHLH")
_RESPONSE, _AUTHORITATIVE, _TRUNCATED = 0x8000, 0x0400, 0x0200
_RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x0100, 0x0080
_OPCODE = 0x7800
_POINTER_TO_QUESTION = 0xC00C


class Unreadable(Exception):
    """No question that can be answered."""


class Question:
    """``name`` in lower case without the last dot. ``text``: the question's own bytes, to be said again in the answer."""

    __slots__ = ("flags", "id", "kind", "name", "rclass", "text")

    def __init__(self, id: int, flags: int, name: str, kind: int, rclass: int, text: bytes) -> None:
        self.id = id
        self.flags = flags
        self.name = name
        self.kind = kind
        self.rclass = rclass
        self.text = text


def read(message: bytes) -> Question:
    """Raises:
    Unreadable: not one standard question.
    """
    if len(message) < _HEADER.size:
        raise Unreadable("shorter than a header")
    number, flags, questions, _, _, _ = _HEADER.unpack_from(message)
    if flags & _RESPONSE or flags & _OPCODE or questions != 1:
        raise Unreadable("not one standard question")
    labels: list[str] = []
    at = _HEADER.size
    while True:
        if at >= len(message):
            raise Unreadable("the name has no end")
        length = message[at]
        at += 1
        if length == 0:
            break
        if length > 63 or at + length > len(message) or at - _HEADER.size + length > 254:
            raise Unreadable("a label is too long, or a pointer")
        labels.append(message[at : at + length].decode("latin-1").lower())
        at += length
    if at + _QUESTION.size > len(message):
        raise Unreadable("the question has no type")
    kind, rclass = _QUESTION.unpack_from(message, at)
    return Question(number, flags, ".".join(labels), kind, rclass, message[_HEADER.size : at + _QUESTION.size])


def answer(question: Question, records: list[tuple[int, bytes]], *, ttl: int, code: int = NO_ERROR, limit: int = 65535) -> bytes:
    """``records``: (type, data), all of the name that was asked for. More than ``limit`` bytes: cut off, and said so."""
    flags = _RESPONSE | _AUTHORITATIVE | _RECURSION_AVAILABLE | (question.flags & _RECURSION_DESIRED) | code
    body = bytearray(question.text)
    count = 0
    for kind, data in records:
        record = _RECORD.pack(_POINTER_TO_QUESTION, kind, IN, ttl, len(data)) + data
        if _HEADER.size + len(body) + len(record) > limit:
            flags |= _TRUNCATED
            break
        body += record
        count += 1
    return _HEADER.pack(question.id, flags, 1, count, 0, 0) + bytes(body)


def failure(message: bytes, code: int) -> bytes:
    """An answer to what could not be read or asked on; empty where there is not even an id to answer to."""
    if len(message) < 2 or (len(message) >= 3 and message[2] & 0x80):
        return b""
    try:
        return answer(read(message), [], ttl=0, code=code)
    except Unreadable:
        return _HEADER.pack(int.from_bytes(message[:2], "big"), _RESPONSE | _RECURSION_AVAILABLE | code, 0, 0, 0, 0)


def encoded_name(name: str) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in name.encode("latin-1").split(b".") if label) + b"\0"


def srv(port: int, target: str) -> bytes:
    return struct.pack("!HHH", 0, 100, port) + encoded_name(target)
