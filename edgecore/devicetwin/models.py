"""What device models say about properties, from the profiles of contract 5.2 that the board holds for its mappers. Pure.

A profile is written for mappers, so what is malformed in it is left out: a device without a known model is served as it always was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecore.devicetwin.merge import TwinRefused
from edgecore.devicetwin.shadow import Twin
from viaduct.device import MsgTwin, is_device_id, is_key
from viaduct.jsontext import read_json

Number = int | float

_FARTHEST = 2**63
_USUAL_CYCLE_MS, _SHORTEST_CYCLE_MS, _LONGEST_CYCLE_MS = 1000, 100, 366 * 86_400_000


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one property. ``writable`` is None where the model does not say; a limit is None where there is none."""

    type: str = ""
    writable: bool | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    unit: str = ""
    description: str = ""

    @property
    def limits(self) -> str:
        """In words, empty where there are none."""
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"{self.minimum} or more"
        return f"{self.maximum} or less" if self.maximum is not None else ""


@dataclass(frozen=True, slots=True)
class Collected:
    """A property whose values are kept as samples: ``cycle`` seconds between two of them; ``upward``: the cloud is to have them too."""

    cycle: float
    upward: bool = True


@dataclass(frozen=True, slots=True)
class Model:
    name: str = ""
    properties: Mapping[str, Facts] = field(default_factory=dict)

    def facts(self, name: str) -> Facts:
        return self.properties.get(name, _NOTHING)


_NOTHING = Facts()
UNKNOWN = Model()


def models_of(profiles: Iterable[str]) -> dict[str, Model]:
    """The model of each device that ``profiles`` (texts of ``deviceProfile.json``) name."""
    found: dict[str, Model] = {}
    for text in profiles:
        profile = _object(text)
        models = {_text(item, "name"): _model(item) for item in _list(profile, "deviceModels")}
        for device in _list(profile, "deviceInstances"):
            model = models.get(_text(device, "model"))
            if model is not None and _text(device, "id"):
                found[_text(device, "id")] = model
    return found


def collected_in(profiles: Iterable[str]) -> dict[str, dict[str, Collected]]:
    """By device and property, what ``profiles`` mark for collection (P6.15)."""
    devices = (device for text in profiles for device in _list(_object(text), "deviceInstances"))
    found = {_text(device, "id"): _marks(_list(_part(device, "data"), "dataProperties")) for device in devices}
    return {device: marks for device, marks in found.items() if marks and is_device_id(device)}


def profile_in(configmap: str, file: str) -> str:
    """The text of ``file`` in a ConfigMap, which is JSON text as the store has it."""
    return _text(_part(_object(configmap), "data"), file)


def check_desired(model: Model, update: Mapping[str, MsgTwin | None]) -> None:
    """Raises TwinRefused, naming the limits, where a desired value is outside those of its model. What a device reports is its truth."""
    for name, entry in update.items():
        if entry is not None and entry.expected is not None and (reason := out_of_limits(model, name, entry.expected.value)):
            raise TwinRefused(reason)


def kind_of(twin: Twin, facts: Facts) -> str:
    """What values of the property are. A twin is a string unless somebody said more, so there its model knows better."""
    modelled = {"int": "int", "float": "float", "double": "float", "boolean": "boolean"}.get(facts.type)
    return modelled or "string" if twin.type in ("", "string") else twin.type


def out_of_limits(model: Model, name: str, value: str) -> str:
    """Why ``value`` cannot be desired of the property, empty where it can. Text that is no number is the business of the type."""
    facts = model.facts(name)
    if not facts.limits or not value:
        return ""
    number = _number(value)
    if number is None:
        return ""
    low = facts.minimum is not None and not number >= facts.minimum
    high = facts.maximum is not None and not number <= facts.maximum
    return f"the value {value[:64]} of {name} is outside its limits: model {model.name} allows {facts.limits}" if low or high else ""


def _model(item: dict[str, Any]) -> Model:
    return Model(_text(item, "name"), {_text(entry, "name"): _facts(entry) for entry in _list(item, "properties")})


def _facts(entry: dict[str, Any]) -> Facts:
    writable = {"ReadWrite": True, "ReadOnly": False}.get(_text(entry, "accessMode"))
    minimum, maximum = _limit(entry.get("minimum")), _limit(entry.get("maximum"))
    if minimum is not None and maximum is not None and minimum > maximum:
        minimum = maximum = None
    return Facts(_text(entry, "dataType"), writable, minimum, maximum, _text(entry, "unit"), _text(entry, "description"))


def _marks(entries: list[dict[str, Any]]) -> dict[str, Collected]:
    named = {_text(entry, "propertyName"): entry for entry in entries}
    return {name: _collected(_part(entry, "metadata")) for name, entry in named.items() if is_key(name)}


def _collected(metadata: dict[str, Any]) -> Collected:
    """In metadata everything is text, as KubeEdge has it; a cycle that is none counts as the usual one."""
    cycle = _number(_text(metadata, "collectCycle"))
    cycle_ms = cycle if cycle is not None and 0 < cycle <= _LONGEST_CYCLE_MS else _USUAL_CYCLE_MS
    return Collected(max(cycle_ms, _SHORTEST_CYCLE_MS) / 1000, _text(metadata, "reportToCloud") != "false")


def _limit(value: Any) -> Number | None:
    """KubeEdge v1beta1 writes limits as text."""
    if isinstance(value, str):
        value = _number(value)
    return value if type(value) in (int, float) and abs(value) <= _FARTHEST else None


def _number(text: str) -> Number | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _object(text: str) -> dict[str, Any]:
    try:
        found = read_json(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _part(value: dict[str, Any], key: str) -> dict[str, Any]:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _list(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    part = value.get(key)
    return [item for item in part if isinstance(item, dict)] if isinstance(part, list) else []


def _text(value: dict[str, Any], key: str) -> str:
    part = value.get(key)
    return part if isinstance(part, str) else ""
