"""What is wrong with a device (P6.17): a code for programs, words for people, the property where it is one property's. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from viaduct.device import is_key
from viaduct.errors import MalformedPayload
from viaduct.jsontext import read_json

MAX_FAULTS = 20
"""Of one device. Who has more says the first; they are mended one after the other anyway."""

MAX_REASON = 256

DESCRIPTION = "DescriptionError"
"""The Device or its model describes what its mapper cannot use: a register that there is none of, a field that is missing."""

AWAY = "DeviceAway"
TIMEOUT = "Timeout"
READ_REFUSED = "ReadRefused"
WRITE_REFUSED = "WriteRefused"
VALUE_REFUSED = "ValueRefused"
OUT_OF_RANGE = "OutOfRange"
READ_ONLY = "ReadOnly"
REPORT_REFUSED = "ReportRefused"
INTERNAL = "InternalError"

_CODE = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """``property`` "": the device as a whole. ``code``: one of the above, or a word of the mapper's own of the same form."""

    property: str
    code: str
    reason: str


def is_code(text: str) -> bool:
    """As Kubernetes writes reasons: letters and digits, a capital first."""
    return _CODE.fullmatch(text) is not None


def words(text: str) -> str:
    """``text`` as a reason: one printable line that is not too long."""
    line = "".join(char if char.isprintable() else " " for char in text).strip()
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


def fault_list(faults: Iterable[Fault]) -> list[dict[str, str]]:
    """As JSON has it; ``property`` is omitted where it is empty."""
    return [
        ({"property": fault.property} if fault.property else {}) | {"code": fault.code, "reason": fault.reason}
        for fault in sorted(faults)[:MAX_FAULTS]
    ]


def parse_faults(value: Any, where: str) -> tuple[Fault, ...]:
    """In order. Raises MalformedPayload naming the field."""
    if not isinstance(value, list):
        raise MalformedPayload(where, "expected an array")
    if len(value) > MAX_FAULTS:
        raise MalformedPayload(where, f"{len(value)} faults, the limit is {MAX_FAULTS}")
    return tuple(sorted({_fault(item, f"{where}[{index}]") for index, item in enumerate(value)}))


def kept(faults: Iterable[Fault] | None) -> str:
    """As text for a store; empty for None: nobody has said anything."""
    return "" if faults is None else json.dumps(fault_list(faults), separators=(",", ":"), ensure_ascii=False)


def from_kept(text: Any) -> tuple[Fault, ...] | None:
    """What ``kept`` wrote; None for anything else."""
    try:
        return parse_faults(read_json(text), "faults") if isinstance(text, str) and text else None
    except (ValueError, RecursionError, MalformedPayload):
        return None


def _fault(item: Any, where: str) -> Fault:
    if not isinstance(item, dict):
        raise MalformedPayload(where, "expected an object")
    name, code, reason = item.get("property", ""), item.get("code"), item.get("reason", "")
    if not isinstance(name, str) or (name and not is_key(name)):
        raise MalformedPayload(f"{where}.property", "expected the name of a property")
    if not isinstance(code, str) or not is_code(code):
        raise MalformedPayload(f"{where}.code", "expected 1 to 64 letters and digits, a capital first")
    if not isinstance(reason, str):
        raise MalformedPayload(f"{where}.reason", "expected text")
    return Fault(name, code, words(reason))
