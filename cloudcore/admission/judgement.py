"""What is to be said of a DeviceModel, Device or DeviceRule that is being written, beyond what its schema says (contract 10.4). Pure.

Faults refuse it, as KubeEdge's admission webhook does. Warnings are told to whoever writes (kubectl shows them) and let it pass: a model
may come after its devices, and a mapper leaves out what it cannot use.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cloudcore.devices.conversion import Unconvertible, device_of, model_of
from cloudcore.devices.model import ModelProperty
from cloudcore.devices.parts import part
from cloudcore.ports import JsonObject
from viaduct.rules.rule import MalformedRule, nodes_of, read_rule

HasModel = Callable[[str, str], bool]
"""``(namespace, name)``: whether there is such a DeviceModel."""

_MOST = 20
NEITHER = "Either Int or String must be set"
BOTH = "Only one of [Int, String] could be set for properties"


@dataclass(frozen=True, slots=True)
class Judgement:
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def judge_model(obj: JsonObject, namespace: str) -> Judgement:
    faults = tuple(_type_faults(obj)) if str(obj.get("apiVersion")).endswith("/v1alpha1") else ()
    if faults:
        return Judgement(faults[:_MOST])
    try:
        described = model_of(obj)
    except Unconvertible as exc:
        return Judgement((str(exc),))
    named = [one.get("name") for one in _list(part(obj, "spec").get("properties"))]
    warnings = [*_twice("spec.properties", named), *(text for one in described.properties for text in _limit_warnings(one))]
    known = [one.name for one in described.properties]
    for index, visitor in enumerate(_list(part(obj, "spec").get("propertyVisitors"))):
        name = visitor.get("propertyName")
        if name not in known:
            warnings.append(f"spec.propertyVisitors[{index}].propertyName: the model has no property {str(name)[:64]!r}")
    return Judgement(warnings=tuple(warnings[:_MOST]))


def judge_device(obj: JsonObject, namespace: str, has_model: HasModel) -> Judgement:
    try:
        described = device_of(obj)
    except Unconvertible as exc:
        return Judgement((str(exc),))
    warnings = []
    if not described.model:
        warnings.append("spec.deviceModelRef.name: it names no model, so no mapper hears of the device")
    elif not has_model(namespace, described.model):
        warnings.append(f"spec.deviceModelRef.name: there is no DeviceModel {described.model!r} in {namespace!r} yet; mappers wait for it")
    if not described.node:
        where = "spec.nodeName" if str(obj.get("apiVersion")).endswith("/v1beta1") else _SELECTOR
        warnings.append(f"{where}: it names no node, so nobody serves the device")
    listed = _list(part(obj, "spec").get("properties")), _list(part(obj, "status").get("twins"))
    warnings += _twice("spec.properties", [one.get("name") for one in listed[0]])
    warnings += _twice("status.twins", [one.get("propertyName") for one in listed[1]])
    warnings += _mark_warnings(part(part(obj, "spec"), "data"))
    return Judgement(warnings=tuple(warnings[:_MOST]))


def _mark_warnings(data: JsonObject) -> Iterator[str]:
    """Of properties that are marked for collection (P6.15). KubeEdge's metadata is any text, so no schema can say it."""
    for index, item in enumerate(_list(data.get("dataProperties"))):
        metadata, where = part(item, "metadata"), f"spec.data.dataProperties[{index}].metadata"
        cycle, upward = metadata.get("collectCycle"), metadata.get("reportToCloud")
        if cycle is not None and not re.fullmatch(r"[1-9][0-9]{2,10}", str(cycle)):
            yield f"{where}.collectCycle: expected milliseconds of at least 100, got {str(cycle)[:40]!r}; 1000 or 100 counts"
        if upward not in (None, "true", "false"):
            yield f'{where}.reportToCloud: expected "true" or "false", got {str(upward)[:40]!r}; true counts'


def judge_rule(obj: JsonObject, namespace: str) -> Judgement:
    """An expression that does not parse is refused with its place (P8.7); what it names may come later."""
    try:
        read_rule(obj)
    except MalformedRule as exc:
        return Judgement(tuple(map(str, exc.faults[:_MOST])))
    warnings = [] if nodes_of(obj) else ["spec.nodeName: it names no node, so it runs nowhere"]
    return Judgement(warnings=tuple(warnings[:_MOST]))


_SELECTOR = "spec.nodeSelector.nodeSelectorTerms[0].matchExpressions[0].values[0]"


def _type_faults(obj: JsonObject) -> Iterator[str]:
    for index, item in enumerate(_list(part(obj, "spec").get("properties"))):
        there = [kind for kind in ("int", "string") if part(item, "type").get(kind) is not None]
        if len(there) != 1:
            yield f"spec.properties[{index}].type: {BOTH if there else NEITHER}"


def _limit_warnings(one: ModelProperty) -> Iterator[str]:
    limits: dict[str, float] = {}
    for field, text in (("minimum", one.minimum), ("maximum", one.maximum)):
        if not text:
            continue
        if one.type not in ("int", "float", "double"):
            yield f"property {one.name}: {field} means nothing for a {one.type}"
            continue
        try:
            limits[field] = int(text) if one.type == "int" else float(text)
        except ValueError:
            yield f"property {one.name}: {field} {text[:40]!r} is no number that fits {one.type.upper()}; it is left out"
    if len(limits) == 2 and limits["minimum"] > limits["maximum"]:
        yield f"property {one.name}: the minimum {one.minimum} is more than the maximum {one.maximum}"


def _twice(where: str, names: list[Any]) -> list[str]:
    counted = Counter(map(str, names))
    return [f"{where}: {name[:64]!r} is there {count} times; the last one counts" for name, count in counted.items() if count > 1]


def _list(value: Any) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
