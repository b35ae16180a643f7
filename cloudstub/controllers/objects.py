"""Reading objects of the API, and making changed copies: a snapshot is never written into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def meta(obj: Object) -> dict[str, Any]:
    return obj.get("metadata") or {}


def name_of(obj: Object) -> str:
    return str(meta(obj).get("name", ""))


def namespace_of(obj: Object) -> str:
    return str(meta(obj).get("namespace", ""))


def uid_of(obj: Object) -> str:
    return str(meta(obj).get("uid", ""))


def labels_of(obj: Object) -> dict[str, str]:
    return meta(obj).get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    return meta(obj).get("annotations") or {}


def spec_of(obj: Object) -> dict[str, Any]:
    return obj.get("spec") or {}


def status_of(obj: Object) -> dict[str, Any]:
    return obj.get("status") or {}


def is_deleting(obj: Object) -> bool:
    return bool(meta(obj).get("deletionTimestamp"))


def owners_of(obj: Object) -> list[dict[str, Any]]:
    return meta(obj).get("ownerReferences") or []


def controller_uid(obj: Object) -> str | None:
    """The uid of the one owner that manages ``obj``."""
    return next((str(owner.get("uid")) for owner in owners_of(obj) if owner.get("controller")), None)


def by_controller(objects: Iterable[Object]) -> dict[str, list[Object]]:
    """Objects by the uid of their controller."""
    found: dict[str, list[Object]] = {}
    for obj in objects:
        uid = controller_uid(obj)
        if uid is not None:
            found.setdefault(uid, []).append(obj)
    return found


def owner_reference(owner: Object, api_version: str, kind: str) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def with_meta(obj: Object, **fields: Any) -> Object:
    """A copy with these fields of ``metadata`` set; a field that is None leaves."""
    changed = {key: value for key, value in {**meta(obj), **fields}.items() if value is not None}
    return {**obj, "metadata": changed}


def with_spec(obj: Object, **fields: Any) -> Object:
    """A copy with these fields of ``spec`` set; a field that is None leaves."""
    changed = {key: value for key, value in {**spec_of(obj), **fields}.items() if value is not None}
    return {**obj, "spec": changed}


def with_status(obj: Object, status: dict[str, Any]) -> Object:
    return {**obj, "status": status}


def time_of(text: Any) -> datetime | None:
    """An RFC 3339 time of the API, None where there is none or it cannot be read."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def created_at(obj: Object) -> datetime:
    """When ``obj`` was made; the beginning of time where it does not say."""
    return time_of(meta(obj).get("creationTimestamp")) or datetime.min.replace(tzinfo=UTC)


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def safe_hash(value: Any, length: int = 10) -> str:
    """A short name part for a JSON value: equal values, equal names; without vowels, so that no word appears."""
    number = int.from_bytes(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest(), "big")
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_SAFE))
        digits.append(_SAFE[digit])
    return "".join(digits)
