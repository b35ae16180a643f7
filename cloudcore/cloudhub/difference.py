"""What a node holds against what it should hold (D5): what to send, what to take away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudcore.ports import Holding
from viaduct.errors import MalformedPayload

MAX_OBJECTS = 100_000
_MAX_TEXT = 512

Held = tuple[str, str]
"""(uid, version)"""


@dataclass(frozen=True, slots=True)
class Lack:
    """What a node lacks under ``key``: the removal of the object ``remove_uid`` (None: nothing is to go), then, where ``send`` says so,
    what it should hold. ``known``: it has an older version of it."""

    key: str
    remove_uid: str | None = None
    send: bool = False
    known: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """``same`` is what the node holds already."""

    lacks: tuple[Lack, ...]
    same: tuple[Holding, ...]


class Comparison:
    """What a node holds against what it should hold, one object after the other: who compares ten thousand lets others have their turn.

    By names alone: the messages are made when there is room for them. Versions compare as numbers; a changed uid is another object, whose
    old self goes first (D2). A node that is ahead of our cache is left alone: the cache is what lags.
    """

    def __init__(self, held: Mapping[str, Held]) -> None:
        self._held = held
        self._lacks: list[Lack] = []
        self._same: list[Holding] = []
        self._wanted: set[str] = set()

    def take(self, holding: Holding) -> None:
        """The node should hold it."""
        key, uid, version = holding
        self._wanted.add(key)
        held_uid, held_version = self._held.get(key, ("", ""))
        if key not in self._held:
            self._lacks.append(Lack(key, send=True))
        elif held_uid and uid and held_uid != uid:
            self._lacks.append(Lack(key, held_uid, send=True))
        elif _is_newer(version, held_version):
            self._lacks.append(Lack(key, send=True, known=True))
        else:
            self._same.append(holding)

    def found(self) -> Difference:
        """What nobody owes goes first: it may hold a port or a device that something new is waiting for."""
        surplus = [Lack(key, uid) for key, (uid, _) in self._held.items() if key not in self._wanted]
        return Difference((*surplus, *self._lacks), tuple(self._same))


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
