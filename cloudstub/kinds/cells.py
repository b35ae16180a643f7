"""Cells and columns that many kinds share. Cells are pure functions of (object, now)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloudstub.kinds.ages import age
from cloudstub.kinds.kind import Column, Object

NONE = "<none>"


def get(obj: Any, *names: str, default: Any = None) -> Any:
    for name in names:
        obj = obj.get(name) if isinstance(obj, dict) else None
    return default if obj is None else obj


def name_cell(obj: Object, now: datetime) -> str:
    return str(get(obj, "metadata", "name", default=""))


def age_cell(obj: Object, now: datetime) -> str:
    return age(get(obj, "metadata", "creationTimestamp"), now)


def at(*names: str, default: Any = NONE) -> Any:
    """A cell that shows one field."""

    def cell(obj: Object, now: datetime) -> Any:
        return get(obj, *names, default=default)

    return cell


def count_of(*names: str) -> Any:
    def cell(obj: Object, now: datetime) -> int:
        return sum(len(get(obj, name, default=())) for name in names)

    return cell


NAME = Column("Name", name_cell, format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", age_cell, description="Time since creation.")
PLAIN = (NAME, AGE)


def selector_text(selector: Any) -> str:
    """A label selector or a plain map of labels as one line."""
    if not isinstance(selector, dict) or not selector:
        return NONE
    is_label_selector = "matchLabels" in selector or "matchExpressions" in selector
    labels = selector.get("matchLabels", {}) if is_label_selector else selector
    parts = [f"{key}={value}" for key, value in sorted(labels.items())]
    for wanted in selector.get("matchExpressions") or () if is_label_selector else ():
        values = ",".join(wanted.get("values") or ())
        operator = str(wanted.get("operator", "")).lower()
        key = wanted.get("key", "")
        parts.append({"exists": f"{key}", "doesnotexist": f"!{key}"}.get(operator, f"{key} {operator} ({values})"))
    return ",".join(parts) or NONE


def _selector(obj: Object, now: datetime) -> str:
    return selector_text(get(obj, "spec", "selector"))


def _template_containers(field: str) -> Any:
    def cell(obj: Object, now: datetime) -> str:
        containers = get(obj, "spec", "template", "spec", "containers", default=())
        return ",".join(str(c.get(field, "")) for c in containers)

    return cell


CONTAINERS = Column("Containers", _template_containers("name"), priority=1)
IMAGES = Column("Images", _template_containers("image"), priority=1)
SELECTOR = Column("Selector", _selector, priority=1)


def number(name: str, *path: str) -> Column:
    return Column(name, at(*path, default=0), type="integer", format="int32")
