"""What one shape says beyond another, kept beside it: so that a way there and back loses nothing, and an edit on the way counts. Pure.

A keepsake is a tree of differences between ``base`` (what the poorer shape can say of an object) and ``whole`` (the object itself):

    {"was": value, "is": value}     a value that differs; a missing key: it is not there
    {"in": {key: keepsake}}         an object, of which these keys differ
    {"each": {name: keepsake}, "order": [name, …]}   a list of named objects (``NAMES``)

Laid over what the poorer shape says later (``restore``), each difference counts where the value is still what it *was*: whatever somebody
changed in the poorer shape meanwhile stands, everything else comes back.
"""

from __future__ import annotations

import json
from typing import Any

NAMES = {"properties": "name", "propertyVisitors": "propertyName", "twins": "propertyName"}
"""Lists of named objects, by their key, and what names one."""

Keepsake = dict[str, Any]
_ABSENT = object()


def remember(whole: Any, base: Any) -> Keepsake | None:
    """The keepsake with which ``restore`` makes ``whole`` out of ``base``; None where they are the same."""
    found = _difference(whole, base, "")
    if found is not None and not _same(restore(base, found), whole):
        return _leaf(whole, base)
    return found


def restore(candidate: Any, kept: Any) -> Any:
    """``candidate`` with what was kept of it. A keepsake that is none changes nothing."""
    found = _restored(candidate, kept if isinstance(kept, dict) else {}, "")
    return {} if found is _ABSENT else found


def _difference(whole: Any, base: Any, key: str) -> Keepsake | None:
    if _same(whole, base):
        return None
    if isinstance(whole, dict) and isinstance(base, dict):
        return _of_objects(whole, base)
    ours, theirs = _by_name(whole, key), _by_name(base, key)
    if ours is not None and theirs is not None:
        return _of_lists(ours, theirs, key)
    return _leaf(whole, base)


def _of_objects(whole: dict[str, Any], base: dict[str, Any]) -> Keepsake:
    keys = dict.fromkeys([*whole, *base])
    pairs = {key: _difference(whole.get(key, _ABSENT), base.get(key, _ABSENT), key) for key in keys}
    return {"in": {key: kept for key, kept in pairs.items() if kept is not None}}


def _of_lists(whole: dict[str, Any], base: dict[str, Any], key: str) -> Keepsake:
    kept: Keepsake = {"each": dict(sorted(_of_objects(whole, base)["in"].items()))}  # as it is written: what is added comes in this order
    made = _restored(list(base.values()), kept, key)
    return kept if list(_by_name(made, key) or ()) == list(whole) else kept | {"order": list(whole)}


def _leaf(whole: Any, base: Any) -> Keepsake:
    return {name: value for name, value in (("was", base), ("is", whole)) if value is not _ABSENT}


def _restored(candidate: Any, kept: Keepsake, key: str) -> Any:
    if isinstance(kept.get("in"), dict):
        return _restored_object(candidate, kept["in"]) if isinstance(candidate, dict) else candidate
    if isinstance(kept.get("each"), dict):
        named = _by_name(candidate, key)
        return candidate if named is None else _ordered(_restored_object(named, kept["each"]), kept.get("order"))
    if kept and _same(candidate, kept.get("was", _ABSENT)):
        return kept.get("is", _ABSENT)
    return candidate


def _restored_object(candidate: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    found = dict(candidate)
    for key, one in kept.items():
        value = _restored(candidate.get(key, _ABSENT), one if isinstance(one, dict) else {}, key)
        if value is _ABSENT:
            found.pop(key, None)
        else:
            found[key] = value
    return found


def _ordered(named: dict[str, Any], order: Any) -> list[Any]:
    """In the order that was kept; what nobody knew then comes last."""
    places = {name: place for place, name in enumerate(order)} if isinstance(order, list) and _are_texts(order) else {}
    return [named[name] for name in sorted(named, key=lambda name: places.get(name, len(places)))]


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _by_name(value: Any, key: str) -> dict[str, Any] | None:
    """A list of named objects by their names; None where it is no such list, or a name is there twice."""
    naming = NAMES.get(key)
    if naming is None or not isinstance(value, list):
        return None
    if not all(isinstance(item, dict) and isinstance(item.get(naming), str) for item in value):
        return None
    named = {item[naming]: item for item in value}
    return named if len(named) == len(value) else None


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1, 1.0 and true are three."""
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
