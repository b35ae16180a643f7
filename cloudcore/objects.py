"""What any Kubernetes object says of itself, and how its times are written. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from cloudcore.ports import JsonObject


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second: ``2020-02-20T14:05:09Z`` (metav1.Time)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds (metav1.MicroTime)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def epoch_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def identity(obj: JsonObject) -> tuple[str, str]:
    """(namespace, name); the namespace of a cluster-scoped object is ""."""
    metadata = obj.get("metadata") or {}
    return metadata.get("namespace") or "", metadata.get("name") or ""


def uid_of(obj: JsonObject) -> str:
    return str((obj.get("metadata") or {}).get("uid") or "")


def version_of(obj: JsonObject) -> str:
    return str((obj.get("metadata") or {}).get("resourceVersion") or "")


def as_number(version: str) -> int:
    """A resourceVersion as a number; 0 for what is none (D2, bug C13: never compared as text, never a crash)."""
    return int(version) if version.isascii() and version.isdigit() else 0
