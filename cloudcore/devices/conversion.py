"""A Device or DeviceModel in the other version of its CRD, and back without loss (decision 0085). Pure.

What a version cannot say travels in an annotation (``KEPT``), as the difference to what it can: see ``keepsake``. An object that was only
ever described in one version carries an annotation in the other one alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from cloudcore.devices import v1alpha1, v1beta1
from cloudcore.devices.keepsake import remember, restore
from cloudcore.devices.model import Device, DeviceModel
from cloudcore.devices.parts import part, text
from cloudcore.ports import JsonObject
from viaduct.jsontext import read_json

GROUP = "devices.kubeedge.io"
KEPT: Mapping[str, str] = {
    v1alpha1.VERSION: "devices.bramble.io/kept-for-v1alpha1",
    v1beta1.VERSION: "devices.bramble.io/kept-for-v1beta1",
}
"""The annotation that holds what the version says beyond the one in which the object stands."""

_IDENTITY = ("apiVersion", "kind", "metadata")
_Translate = Callable[[JsonObject], JsonObject]
_TRANSLATIONS: Mapping[tuple[str, str], _Translate] = {
    ("Device", v1beta1.VERSION): lambda parts: v1beta1.write_device(v1alpha1.read_device(parts)),
    ("Device", v1alpha1.VERSION): lambda parts: v1alpha1.write_device(v1beta1.read_device(parts)),
    ("DeviceModel", v1beta1.VERSION): lambda parts: v1beta1.write_model(v1alpha1.read_model(parts)),
    ("DeviceModel", v1alpha1.VERSION): lambda parts: v1alpha1.write_model(v1beta1.read_model(parts)),
}
"""By kind and the version that is wanted."""


class Unconvertible(ValueError):
    """Not a kind or version of ours; the text names the field."""


def converted(obj: JsonObject, version: str) -> JsonObject:
    """``obj`` as ``version``; the same object where it is that already.

    Raises:
        Unconvertible: another kind, or another version than v1alpha1 and v1beta1.
    """
    group, _, have = str(obj.get("apiVersion") or "").rpartition("/")
    kind = str(obj.get("kind") or "")
    if group != GROUP or have not in KEPT:
        raise Unconvertible(f"apiVersion: expected {GROUP}/v1alpha1 or {GROUP}/v1beta1, got {str(obj.get('apiVersion'))[:80]!r}")
    if (kind, version) not in _TRANSLATIONS:
        raise Unconvertible(f"kind {kind[:80]!r} cannot be converted to {version[:80]!r}")
    if have == version:
        return obj
    parts = {key: value for key, value in obj.items() if key not in _IDENTITY}
    restored = restore(_TRANSLATIONS[kind, version](parts), _kept(obj, version))
    made: JsonObject = {key: value for key, value in restored.items() if key not in _IDENTITY} if isinstance(restored, dict) else {}
    beyond = remember(parts, _TRANSLATIONS[kind, have](made))
    metadata = _annotated(part(obj, "metadata"), drop=KEPT[version], keep=KEPT[have], value=beyond)
    return {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": metadata} | made


def is_annotated(obj: JsonObject) -> bool:
    """Whether a v1alpha1 object says more in its annotation."""
    return KEPT[v1beta1.VERSION] in part(part(obj, "metadata"), "annotations")


def device_of(obj: JsonObject) -> Device:
    """Everything that a Device says, in whichever version it stands."""
    return v1beta1.read_device(_parts_in_v1beta1(obj))


def model_of(obj: JsonObject) -> DeviceModel:
    """Everything that a DeviceModel says, in whichever version it stands."""
    return v1beta1.read_model(_parts_in_v1beta1(obj))


def _parts_in_v1beta1(obj: JsonObject) -> JsonObject:
    return converted(obj, v1beta1.VERSION)


def _kept(obj: JsonObject, version: str) -> Any:
    """Text that somebody else put there is no keepsake: it changes nothing."""
    try:
        return read_json(text(part(part(obj, "metadata"), "annotations"), KEPT[version]) or "{}")
    except ValueError:
        return {}


def _annotated(metadata: JsonObject, *, drop: str, keep: str, value: Any) -> JsonObject:
    annotations = {key: one for key, one in part(metadata, "annotations").items() if key not in (drop, keep)}
    if value is not None:
        annotations[keep] = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    rest = {key: one for key, one in metadata.items() if key != "annotations"}
    return rest | {"annotations": annotations} if annotations else rest
