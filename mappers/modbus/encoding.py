"""How registers hold a value: the numbers and texts that ``encoding`` names, where KubeEdge knows whole numbers only (decision 0078). Pure.

Most significant byte and register first; ``isSwap`` and ``isRegisterSwap`` are undone before and done after.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from mappers.sdk.errors import DeviceRefused, ValueRefused


class Encoding(StrEnum):
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    TEXT = "text"

    @property
    def registers(self) -> int:
        """How many one value takes; 0: as many as ``limit`` says."""
        return 0 if self is Encoding.TEXT else struct.calcsize(_FORMATS[self]) // 2

    @property
    def is_float(self) -> bool:
        return self in (Encoding.FLOAT32, Encoding.FLOAT64)


_FORMATS = {
    Encoding.INT16: ">h",
    Encoding.UINT16: ">H",
    Encoding.INT32: ">i",
    Encoding.UINT32: ">I",
    Encoding.INT64: ">q",
    Encoding.UINT64: ">Q",
    Encoding.FLOAT32: ">f",
    Encoding.FLOAT64: ">d",
}


def number_in(registers: Sequence[int], encoding: Encoding) -> Decimal:
    """Raises DeviceRefused for a float that is no number, with which devices say that they have none."""
    found = struct.unpack(_FORMATS[encoding], _bytes(registers))[0]
    if encoding.is_float and not math.isfinite(found):
        raise DeviceRefused(f"they hold {found}, which is no number")
    return Decimal(_shortest(found) if encoding is Encoding.FLOAT32 else repr(found))


def registers_of(number: Decimal, encoding: Encoding) -> list[int]:
    """``number`` must be whole for all but floats. Raises ValueRefused when it does not fit."""
    try:
        return _registers(struct.pack(_FORMATS[encoding], float(number) if encoding.is_float else int(number)))
    except (struct.error, OverflowError):
        raise ValueRefused(f"{number} does not fit into {encoding}") from None


def text_bytes(registers: Sequence[int]) -> bytes:
    """Two bytes in each register, up to the first zero byte."""
    return _bytes(registers).partition(b"\0")[0]


def text_registers(text: bytes, limit: int) -> list[int]:
    return _registers(text.ljust(2 * limit, b"\0"))


def _shortest(found: float) -> str:
    """The fewest digits that give the same 32 bits: 21.57 and not 21.56999969482422."""
    for digits in range(6, 9):
        text = f"{found:.{digits}g}"
        if struct.pack(">f", float(text)) == struct.pack(">f", found):
            return text
    return f"{found:.9g}"


def _bytes(registers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(registers)}H", *registers)


def _registers(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 2}H", data))
