"""What a node holds against what it should hold (D5): what to send, what to take away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudcore.ports import Owed
from viaduct.errors import MalformedPayload

MAX_OBJECTS = 100_000
_MAX_TEXT = 512

Held = tuple[str, str]
"""(uid, version)"""


@dataclass(frozen=True, slots=True)
class Difference:
    """``remove`` is (key, uid) and comes before ``send``: a changed uid is another object, whose old self goes first (D2).
    ``same`` is what the node holds already."""

    remove: tuple[tuple[str, str], ...]
    send: tuple[Owed, ...]
    same: tuple[Owed, ...]


def difference(owed: Iterable[Owed], held: Mapping[str, Held]) -> Difference:
    """Versions compare as numbers. A node that is ahead of our cache is left alone: the cache is what lags."""
    remove: list[tuple[str, str]] = []
    send: list[Owed] = []
    same: list[Owed] = []
    wanted = {item.key: item for item in owed if not item.removal}
    for key, item in wanted.items():
        if key not in held:
            send.append(item)
            continue
        uid, version = held[key]
        if uid and item.uid and uid != item.uid:
            remove.append((key, uid))
            send.append(item)
        elif _is_newer(item.version, version):
            send.append(item)
        else:
            same.append(item)
    remove += [(key, uid) for key, (uid, _) in held.items() if key not in wanted]
    return Difference(tuple(remove), tuple(send), tuple(same))


def held_from(content: Any) -> dict[str, Held]:
    """The content of an inventory message, ``{"objects": [{"key", "uid", "version"}, …]}``, by key.

    Raises:
        MalformedPayload: names the entry and field at fault.
    """
    objects = content.get("objects") if isinstance(content, dict) else None
    if objects is None and isinstance(content, dict) and "objects" in content:
        return {}
    if not isinstance(objects, list):
        raise MalformedPayload("content.objects", "expected an array")
    if len(objects) > MAX_OBJECTS:
        raise MalformedPayload("content.objects", f"{len(objects)} entries, the limit is {MAX_OBJECTS}")
    held: dict[str, Held] = {}
    for index, entry in enumerate(objects):
        where = f"content.objects[{index}]"
        if not isinstance(entry, dict):
            raise MalformedPayload(where, "expected an object")
        held[_text(entry, where, "key", required=True)] = (_text(entry, where, "uid"), _text(entry, where, "version"))
    return held


def _text(entry: dict[str, Any], where: str, key: str, *, required: bool = False) -> str:
    value = entry.get(key, "")
    if not isinstance(value, str) or len(value) > _MAX_TEXT or (required and not value):
        raise MalformedPayload(f"{where}.{key}", f"expected a string of at most {_MAX_TEXT} characters")
    return value


def _is_newer(version: str, than: str) -> bool:
    """Text that is no number (a record that KubeEdge left empty) is older than everything (bug C13)."""
    return _number(version) > _number(than)


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() else -1
