"""``deviceProfile.json`` (contract 5.2) to devices. Pure. What is wrong with one device never stops the others.

The profile holds the devices of every protocol of a node; ``protocol_config`` and ``visitorConfig`` are left to the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mappers.sdk import fields
from mappers.sdk.errors import ProfileError
from mappers.sdk.fields import JsonObject
from mappers.sdk.values import NO_LIMITS, DataType, Limits
from viaduct.codec import check_depth
from viaduct.device import is_device_id, is_key
from viaduct.errors import MalformedMessage
from viaduct.faults import DESCRIPTION, Fault, words
from viaduct.jsontext import read_json

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""A ConfigMap holds 1 MiB; a file that a person wrote may be larger, one without end is refused."""

_LONGEST_CYCLE_MS = 366 * 86_400_000

CUSTOMIZED = "customized-protocol"
"""One that the contract has no fields for: its name and settings stand one level deeper (decision 0070). Its driver sees none of that."""


@dataclass(frozen=True, slots=True)
class Property:
    """One property and how its protocol reaches it. ``path`` is where ``visitor`` stands in the profile; that one moves is no change."""

    name: str
    data_type: DataType
    writable: bool
    limits: Limits = NO_LIMITS
    unit: str = ""
    visitor: JsonObject = field(default_factory=dict, hash=False)
    path: str = field(default="", compare=False)
    cycle: float = 0.0
    """Seconds between two reads; 0: as the mapper's settings have it."""
    report: float = 0.0
    """Seconds between two reports of a value that changes; 0: when it changes."""
    collected: bool = False
    """Each value that is read is published as well, for the history."""


@dataclass(frozen=True, slots=True)
class Device:
    """``protocol`` such as ``modbus-tcp``, "" where there is none. ``path`` is where ``config`` stands in the profile: another device that
    comes or goes moves it, and this device goes on undisturbed."""

    id: str
    model: str
    protocol: str
    config: JsonObject = field(default_factory=dict, hash=False)
    properties: tuple[Property, ...] = ()
    path: str = field(default="", compare=False)
    faults: tuple[Fault, ...] = field(default=(), compare=False)
    """What is wrong with its description, as far as that shows before its protocol reads it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """``problems``: what was left out and why, each beginning with its path. ``broken``: devices among it; their ``faults`` say why."""

    devices: tuple[Device, ...] = ()
    problems: tuple[str, ...] = ()
    broken: tuple[Device, ...] = ()


def described_wrongly(text: str, path: str, name: str = "") -> Fault:
    """What ``text`` (a problem that begins with its path) says of property ``name``, "" for a device. ``path`` is where that stands in the
    profile, which nobody wrote: a person is told what is left."""
    return Fault(name, DESCRIPTION, words(text.removeprefix(path).lstrip(".: ")))


def parse(content: bytes) -> Profile:
    """Raises ProfileError when the whole cannot be read: not JSON (half written, perhaps), no object, too large."""
    body = _json(content)
    problems: list[str] = []
    protocols = dict(_named(body, "protocols", problems, _protocol))
    models = dict(_named(body, "deviceModels", problems, _properties))
    visitors = dict(_named(body, "propertyVisitors", problems, _visitor))
    problems += [str(found.fault) for found in visitors.values() if found.fault is not None]
    devices: dict[str, Device] = {}
    broken: dict[str, Device] = {}
    for path, entry in _entries(body, "deviceInstances", problems):
        try:
            device = _device(path, entry, protocols, models, visitors, problems)
            if device.id in devices:
                raise ProfileError(f"{path}.id", f"{device.id} is there twice")
            devices[device.id] = device
        except ProfileError as fault:
            problems.append(str(fault))
            found = _broken(path, entry, protocols, fault)
            broken |= {found.id: found} if found is not None else {}
    others = tuple(device for name, device in broken.items() if name not in devices)
    return Profile(tuple(devices.values()), tuple(dict.fromkeys(problems)), others)


@dataclass(frozen=True, slots=True)
class _Protocol:
    kind: str
    config: JsonObject
    path: str


@dataclass(frozen=True, slots=True)
class _Visitor:
    path: str
    config: JsonObject
    cycle: float
    report: float
    fault: ProfileError | None = None


_Visitors = Mapping[tuple[str, str], _Visitor]
_Models = Mapping[str, tuple[tuple[str, JsonObject], ...]]


def _json(content: bytes) -> JsonObject:
    if len(content) > MAX_PROFILE_BYTES:
        raise ProfileError("profile", f"{len(content)} bytes, the limit is {MAX_PROFILE_BYTES}")
    try:
        text = content.decode("utf-8")
        check_depth(text)
        body = read_json(text)
    except UnicodeDecodeError as exc:
        raise ProfileError("profile", f"not UTF-8 at byte {exc.start}") from exc
    except MalformedMessage as exc:
        raise ProfileError("profile", exc.reason) from exc
    except ValueError as exc:
        raise ProfileError("profile", f"not JSON: {exc}") from exc
    if not isinstance(body, dict):
        raise ProfileError("profile", f"expected an object, got {fields.kind(body)}")
    return body


def _entries(body: JsonObject, key: str, problems: list[str]) -> Iterator[tuple[str, JsonObject]]:
    """(path, object) of each item of a list; what is no object is a problem."""
    items = body.get(key)
    if items is None:
        return
    if not isinstance(items, list):
        problems.append(f"{key}: expected a list, got {fields.kind(items)}")
        return
    for index, item in enumerate(items):
        if isinstance(item, dict):
            yield f"{key}[{index}]", item
        else:
            problems.append(f"{key}[{index}]: expected an object, got {fields.kind(item)}")


def _named(
    body: JsonObject, key: str, problems: list[str], read: Callable[[str, JsonObject], tuple[Any, Any] | None]
) -> Iterable[tuple[Any, Any]]:
    for path, entry in _entries(body, key, problems):
        try:
            found = read(path, entry)
        except ProfileError as fault:
            problems.append(str(fault))
            continue
        if found is not None:
            yield found


def _protocol(path: str, entry: JsonObject) -> tuple[str, _Protocol] | None:
    name = fields.text(entry, "name", path)
    if not name:
        # A device without a protocol leaves `{"protocol_config":null}` behind.
        return None
    config, where = fields.part(entry, "protocol_config", path), f"{path}.protocol_config"
    kind = fields.required_text(entry, "protocol", path)
    if kind == CUSTOMIZED:
        return name, _Protocol(fields.required_text(config, "protocolName", where), *_config_data(config, where))
    return name, _Protocol(kind, config, where)


def _config_data(config: JsonObject, path: str) -> tuple[JsonObject, str]:
    return fields.part(config, "configData", path), f"{path}.configData"


def _properties(path: str, entry: JsonObject) -> tuple[str, tuple[tuple[str, JsonObject], ...]]:
    items = entry.get("properties")
    items = [] if items is None else items
    if not isinstance(items, list):
        raise ProfileError(f"{path}.properties", f"expected a list, got {fields.kind(items)}")
    paths = ((f"{path}.properties[{index}]", item) for index, item in enumerate(items))
    return fields.required_text(entry, "name", path), tuple(paths)


def _visitor(path: str, entry: JsonObject) -> tuple[tuple[str, str], _Visitor]:
    key = fields.required_text(entry, "modelName", path), fields.required_text(entry, "propertyName", path)
    try:
        cycle, report = (
            fields.integer(entry, key, path, least=0, most=_LONGEST_CYCLE_MS) / 1000 for key in ("collectCycle", "reportCycle")
        )
        config, where = fields.part(entry, "visitorConfig", path), f"{path}.visitorConfig"
        if fields.text(entry, "protocol", path) == CUSTOMIZED:
            config, where = _config_data(config, where)
    except ProfileError as fault:
        return key, _Visitor(path, {}, 0.0, 0.0, fault)
    return key, _Visitor(where, config, cycle, report)


def _device(
    path: str, entry: JsonObject, protocols: Mapping[str, _Protocol], models: _Models, visitors: _Visitors, problems: list[str]
) -> Device:
    name = fields.required_text(entry, "id", path)
    if not is_device_id(name):
        raise ProfileError(f"{path}.id", f"{name[:64]!r} is not 1 to 253 of a-z A-Z 0-9 . _ -")
    model = fields.required_text(entry, "model", path)
    if model not in models:
        raise ProfileError(f"{path}.model", f"there is no model {model!r} in deviceModels")
    wanted = fields.text(entry, "protocol", path)
    if wanted and wanted not in protocols:
        raise ProfileError(f"{path}.protocol", f"there is no protocol {wanted!r} in protocols")
    protocol = protocols.get(wanted, _Protocol("", {}, path))
    faults: list[Fault] = []
    collected = _collected(entry, path)
    properties = tuple(
        replace(one, collected=True) if one.name in collected else one
        for one in _model_properties(model, models[model], visitors, problems, faults)
    )
    return Device(name, model, protocol.kind, protocol.config, properties, protocol.path, tuple(faults))


def _broken(path: str, entry: JsonObject, protocols: Mapping[str, _Protocol], fault: ProfileError) -> Device | None:
    """For the mapper of its protocol to tell; None where nobody can say which that is."""
    name, protocol = entry.get("id"), protocols.get(str(entry.get("protocol")))
    if not isinstance(name, str) or not is_device_id(name) or protocol is None:
        return None
    return Device(name, "", protocol.kind, protocol.config, (), protocol.path, (described_wrongly(str(fault), path),))


def _collected(entry: JsonObject, path: str) -> frozenset[str]:
    """Properties that are marked for collection (P6.15)."""
    marked = fields.part(entry, "data", path).get("dataProperties")
    items = marked if isinstance(marked, list) else []
    return frozenset(str(item.get("propertyName")) for item in items if isinstance(item, dict))


def _model_properties(
    model: str, entries: Iterable[tuple[str, JsonObject]], visitors: _Visitors, problems: list[str], faults: list[Fault]
) -> Iterator[Property]:
    """Properties that can be read; one without a visitor has no register and is none of ours."""
    for path, entry in entries:
        try:
            found = _property(path, entry, model, visitors)
        except ProfileError as fault:
            problems.append(str(fault))
            name = str(entry.get("name")) if isinstance(entry, dict) and is_key(str(entry.get("name"))) else ""
            visited = visitors.get((model, name))
            faults.append(described_wrongly(str(fault), path if visited is None or fault is not visited.fault else visited.path, name))
            continue
        if found is not None:
            yield found


def _property(path: str, entry: JsonObject, model: str, visitors: _Visitors) -> Property | None:
    if not isinstance(entry, dict):
        raise ProfileError(path, f"expected an object, got {fields.kind(entry)}")
    name = fields.required_text(entry, "name", path)
    if not is_key(name):
        raise ProfileError(f"{path}.name", f"{name[:64]!r} is not 1 to 128 of a-z A-Z 0-9 - _ . , : / @ #")
    if (model, name) not in visitors:
        return None
    found = visitors[model, name]
    if found.fault is not None:
        raise found.fault
    limits, unit = _limits(entry, path), fields.text(entry, "unit", path)
    return Property(name, _data_type(entry, path), _access(entry, path), limits, unit, found.config, found.path, found.cycle, found.report)


def _data_type(entry: JsonObject, path: str) -> DataType:
    name = fields.text(entry, "dataType", path)
    try:
        return DataType(name)
    except ValueError:
        raise ProfileError(f"{path}.dataType", f"expected {', '.join(DataType)}, got {name!r}") from None


def _access(entry: JsonObject, path: str) -> bool:
    mode = fields.text(entry, "accessMode", path)
    if mode not in ("ReadWrite", "ReadOnly"):
        raise ProfileError(f"{path}.accessMode", f"expected ReadWrite or ReadOnly, got {mode!r}")
    return mode == "ReadWrite"


def _limits(entry: JsonObject, path: str) -> Limits:
    """KubeEdge omits a limit of 0 like any zero, so a missing one is no limit: nothing that a device holds is hidden by a guess."""
    limits = Limits(fields.number(entry, "minimum", path), fields.number(entry, "maximum", path))
    if limits.minimum is not None and limits.maximum is not None and limits.minimum > limits.maximum:
        raise ProfileError(f"{path}.maximum", f"{limits.maximum} is less than the minimum {limits.minimum}")
    return limits
