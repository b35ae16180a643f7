"""What the store holds: keys, records (one version of one object, already encoded) and changes."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from cloudstub.errors import BadRequest

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"

Object = dict[str, Any]


class Key(NamedTuple):
    """``resource`` is the plural, with its group where it is not core: ``pods``, ``deployments.apps``."""

    resource: str
    namespace: str
    name: str


class Record:
    """One version of one object. ``body`` is its JSON, ready to be sent."""

    __slots__ = ("_value", "body", "key", "revision", "uid")

    def __init__(self, key: Key, uid: str, revision: int, body: bytes) -> None:
        self.key = key
        self.uid = uid
        self.revision = revision
        self.body = body
        self._value: Object | None = None

    @property
    def value(self) -> Object:
        """The decoded object, shared by all who ask: read it, never change it."""
        if self._value is None:
            self._value = json.loads(self.body)
        return self._value

    def fresh(self) -> Object:
        """A decoded copy that belongs to the caller."""
        copy: Object = json.loads(self.body)
        return copy


class Change:
    """One step of the store: ``before`` is None for ADDED; for DELETED ``after`` is the last state with the revision of the deletion."""

    __slots__ = ("after", "before", "revision", "type", "views")

    def __init__(self, type_: str, before: Record | None, after: Record) -> None:
        self.type = type_
        self.before = before
        self.after = after
        self.revision = after.revision
        # What watchers of one shape share, so that an event is encoded once for all of them.
        self.views: dict[Any, bytes] = {}

    @property
    def key(self) -> Key:
        return self.after.key


def encode(value: Object) -> bytes:
    """Compact JSON with ``apiVersion`` first, so that the served version can be exchanged without decoding.

    Raises:
        BadRequest: the object holds something that JSON cannot carry (half a surrogate pair, an infinite number).
    """
    ordered = {"apiVersion": value.get("apiVersion"), "kind": value.get("kind"), **value}
    try:
        return json.dumps(ordered, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (UnicodeEncodeError, ValueError) as exc:
        raise BadRequest(f"the object cannot be written as JSON: {exc}") from exc
    except RecursionError as exc:
        raise BadRequest("the object is nested too deeply") from exc


def with_revision(value: Object, revision: int) -> Object:
    """The same object at another revision; only the metadata is copied."""
    return {**value, "metadata": {**value["metadata"], "resourceVersion": str(revision)}}
