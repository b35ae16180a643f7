"""Tables: what `kubectl get` prints is worked out here, from a kind's columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cloudstub.kinds.kind import Column, Kind
from cloudstub.store.records import Record


def table(columns: tuple[Column, ...], rows: list[dict[str, Any]], metadata: dict[str, Any]) -> bytes:
    """A meta.k8s.io/v1 Table."""
    value = {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": rows,
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def rows_of(kind: Kind, version: str, records: Iterable[Record], *, now: datetime, include: str = "Metadata") -> list[dict[str, Any]]:
    """One row for each record. ``include`` says what of the object goes along: Metadata, Object or None."""
    columns = kind.versions[version].columns
    return [{"cells": [column.cell(r.value, now) for column in columns], **_object(kind, version, r, include)} for r in records]


def _object(kind: Kind, version: str, record: Record, include: str) -> dict[str, Any]:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": {**record.value, "apiVersion": kind.api_version(version)}}
    return {"object": partial_metadata(record.value)}


def partial_metadata(value: dict[str, Any]) -> dict[str, Any]:
    """Only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]}


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }
