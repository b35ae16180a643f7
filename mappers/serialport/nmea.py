"""Sentences of NMEA 0183 (IEC 61162-1) to what a position receiver knows. Pure.

A sentence is ``$`` or ``!``, the talker (two characters), its kind (mostly three), fields between commas, ``*`` and two hexadecimal digits:
the exclusive or of all bytes between ``$`` and ``*``. One without them is not believed: a lost byte would be another position.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce

from mappers.sdk.errors import MapperError

Known = Decimal | str | None
"""None: the receiver says that it does not know it now."""

METRES_PER_SECOND = Decimal(1852) / Decimal(3600)
"""One knot."""

_SENTENCE = re.compile(rb"[$!]([A-Z0-9]{2})([A-Z0-9]{1,8})((?:,[\x20-\x29\x2b-\x7e]*)?)\*([0-9A-Fa-f]{2})")
_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{0,9})?")
_ANGLE = re.compile(r"([0-9]{2,3})([0-9]{2}(?:\.[0-9]{1,9})?)")
_TIME = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})(\.[0-9]{1,6})?")
_DATE = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})")
_DEGREE_DIGITS = Decimal("1e-7")
"""About a centimetre."""


class NotASentence(MapperError):
    """A line that is none, or not whole."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """``fields[0]`` is what follows the kind."""

    talker: str
    kind: str
    fields: tuple[str, ...]

    def field(self, number: int) -> str:
        """Counted from 1, as the standard does; "" where the receiver sends fewer."""
        return self.fields[number - 1] if number <= len(self.fields) else ""


def sentence_of(line: bytes) -> Sentence:
    """Raises NotASentence."""
    # What stands before the dollar is the rest of a sentence that was cut by the opening of the port.
    match = _SENTENCE.fullmatch(line[max(line.rfind(b"$"), line.rfind(b"!"), 0) :])
    if match is None:
        raise NotASentence(f"not a sentence with a checksum: {line[:80]!r}")
    talker, kind, fields, said = match.groups()
    found = checksum(match.group(0)[1:-3])
    if found != int(said, 16):
        raise NotASentence(f"its checksum is {found:02X}, it says {said.decode()}: {line[:80]!r}")
    return Sentence(talker.decode(), kind.decode(), tuple(fields.decode()[1:].split(",")))


def checksum(body: bytes) -> int:
    """Of what stands between ``$`` and ``*``."""
    return reduce(lambda sum_, byte: sum_ ^ byte, body, 0)


def quantities(sentence: Sentence) -> Mapping[str, Known]:
    """What a sentence tells; empty for kinds that tell nothing of this. Raises NotASentence for fields that cannot be."""
    read = _KINDS.get(sentence.kind)
    return read(sentence) if read else {}


def _recommended_minimum(said: Sentence) -> Mapping[str, Known]:
    """RMC: time, status, latitude, N/S, longitude, E/W, knots, course, date."""
    is_valid = said.field(2) == "A"
    place = _place(said, 3) if is_valid else _NOWHERE
    knots = _number(said.field(7)) if is_valid else None
    course = _number(said.field(8)) if is_valid else None
    return {**place, "speed": _speed(knots), "course": course, "time": _moment(said.field(9), said.field(1))}


def _fix(said: Sentence) -> Mapping[str, Known]:
    """GGA: time, latitude, N/S, longitude, E/W, quality (0 is none), satellites, HDOP, altitude, M."""
    quality = _number(said.field(6)) or Decimal(0)
    place = _place(said, 2) if quality else _NOWHERE
    altitude = _number(said.field(9)) if quality else None
    return {**place, "altitude": altitude, "fix": quality, "satellites": _number(said.field(7)), "hdop": _number(said.field(8))}


def _position(said: Sentence) -> Mapping[str, Known]:
    """GLL: latitude, N/S, longitude, E/W, time, status."""
    return _place(said, 1) if said.field(6) == "A" else _NOWHERE


def _track(said: Sentence) -> Mapping[str, Known]:
    """VTG: course, T, magnetic, M, knots, N."""
    return {"course": _number(said.field(1)), "speed": _speed(_number(said.field(5)))}


def _precision(said: Sentence) -> Mapping[str, Known]:
    """GSA: …, PDOP (15), HDOP (16), VDOP (17)."""
    return {"pdop": _number(said.field(15)), "hdop": _number(said.field(16)), "vdop": _number(said.field(17))}


_KINDS: Mapping[str, Callable[[Sentence], Mapping[str, Known]]] = {
    "RMC": _recommended_minimum,
    "GGA": _fix,
    "GNS": lambda said: {"satellites": _number(said.field(7)), "altitude": _number(said.field(9))},
    "GLL": _position,
    "VTG": _track,
    "GSA": _precision,
}
_NOWHERE: Mapping[str, Known] = {"latitude": None, "longitude": None}

QUANTITIES = ("latitude", "longitude", "altitude", "speed", "course", "time", "fix", "satellites", "hdop", "pdop", "vdop")
TEXTS = frozenset({"time"})


def _place(said: Sentence, first: int) -> Mapping[str, Known]:
    return {
        "latitude": _angle(said.field(first), said.field(first + 1), "N", "S", 90),
        "longitude": _angle(said.field(first + 2), said.field(first + 3), "E", "W", 180),
    }


def _angle(text: str, side: str, positive: str, negative: str, most: int) -> Decimal | None:
    """``4807.038``, ``N``: 48 degrees and 7.038 minutes."""
    if not text:
        return None
    match = _ANGLE.fullmatch(text)
    if match is None or side not in (positive, negative):
        raise NotASentence(f"expected degrees and minutes, {positive} or {negative}, got {text[:20]!r}, {side[:4]!r}")
    degrees, minutes = Decimal(match[1]), Decimal(match[2])
    found = (degrees + minutes / 60).quantize(_DEGREE_DIGITS)
    if minutes >= 60 or found > most:
        raise NotASentence(f"{text[:20]!r} is no angle")
    return found if side == positive else -found


def _number(text: str) -> Decimal | None:
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise NotASentence(f"expected a number, got {text[:20]!r}")
    return Decimal(text)


def _speed(knots: Decimal | None) -> Decimal | None:
    return None if knots is None else (knots * METRES_PER_SECOND).quantize(Decimal("1e-4"))


def _moment(date: str, time: str) -> str | None:
    """``230394``, ``123519`` to ``1994-03-23T12:35:19Z``. The standard has two digits of the year: 80 to 99 are of the last century."""
    days, hours = _DATE.fullmatch(date), _TIME.fullmatch(time)
    if not date or not time:
        return None
    if days is None or hours is None or not _is_moment(days, hours):
        raise NotASentence(f"expected a date and a time, got {date[:20]!r}, {time[:20]!r}")
    year = int(days[3]) + (1900 if int(days[3]) >= 80 else 2000)
    return f"{year}-{days[2]}-{days[1]}T{hours[1]}:{hours[2]}:{hours[3]}Z"


def _is_moment(days: re.Match[str], hours: re.Match[str]) -> bool:
    return 1 <= int(days[1]) <= 31 and 1 <= int(days[2]) <= 12 and int(hours[1]) < 24 and int(hours[2]) < 60 and int(hours[3]) <= 60
