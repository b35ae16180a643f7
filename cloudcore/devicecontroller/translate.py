"""Device (v1alpha1) to the payloads of contract 5.3, with the device's ``uid`` and ``namespace`` added. Pure.

A changed Device goes down as ``membership`` too, not as ``twin/cloud_updated``: it carries all of the device, so the newest may take the
place of any that still waits (D4), also of the one that would have introduced the device. Edges merge the twins of a device that they know.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from cloudcore.objects import as_number, identity, uid_of, version_of
from cloudcore.ports import JsonObject, Owed
from viaduct.message import Message, new_message
from viaduct.resource import MEMBERSHIP, MEMBERSHIP_DETAIL
from viaduct.vocabulary import Group, Operation, Source

KEY_PREFIX = "device/"
DESIRED_ANNOTATION = "devices.bramble.io/desired-version"
"""``<version>:<digest>``: since which resourceVersion the node's part of the Device is as it is. Written along with reported values, so
that a CloudCore that starts again (or another one) does not take its own reports for a new wish of the user."""


class MalformedDevice(ValueError):
    """A Device that cannot be given to a node; the text says why, for its owner."""


def device_key(name: str) -> str:
    return KEY_PREFIX + name


def node_of(device: JsonObject) -> str:
    """The node that serves the device: the first value of the selector, literally (contract 5.1). "" where it names none.

    Raises:
        MalformedDevice: there is a selector without such a value (bug C18: no crash).
    """
    selector = (device.get("spec") or {}).get("nodeSelector")
    if not selector:
        return ""
    try:
        value = selector["nodeSelectorTerms"][0]["matchExpressions"][0]["values"][0]
    except (KeyError, IndexError, TypeError) as exc:
        path = "spec.nodeSelector.nodeSelectorTerms[0].matchExpressions[0].values[0]"
        raise MalformedDevice(f"{path} is missing: it names the node that serves the device") from exc
    if not isinstance(value, str) or not value:
        raise MalformedDevice("spec.nodeSelector: the name of the node is empty")
    return value


def twins_of(device: JsonObject) -> dict[str, JsonObject]:
    """status.twins by property; of two entries for one the last counts."""
    twins = (device.get("status") or {}).get("twins")
    entries = [twin for twin in twins if isinstance(twin, dict)] if isinstance(twins, list) else []
    return {str(twin["propertyName"]): twin for twin in entries if twin.get("propertyName")}


def is_only_reported(twin: JsonObject) -> bool:
    """A property that a node reported although status.twins did not list it: nobody wished it, so it is no part of what goes down. Where
    the user's next patch replaces the list without it, the node must not take that for its removal."""
    return "reported" in twin and "desired" not in twin


def wished_of(device: JsonObject) -> dict[str, JsonObject]:
    return {name: twin for name, twin in twins_of(device).items() if not is_only_reported(twin)}


def wish(device: JsonObject) -> JsonObject:
    """The part of a Device that its node hears of; whatever else changes does not go down (contract 5.3)."""
    desired = {name: _desired(twin) for name, twin in wished_of(device).items()}
    return {"description": _description(device), "desired": desired}


def digest(device: JsonObject) -> str:
    text = json.dumps(wish(device), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def marked(device: JsonObject, version: str) -> JsonObject:
    """``device`` with the annotation that says since which version its wish is as it is."""
    metadata = device.get("metadata") or {}
    annotations = (metadata.get("annotations") or {}) | {DESIRED_ANNOTATION: f"{version}:{digest(device)}"}
    return device | {"metadata": metadata | {"annotations": annotations}}


def is_marked(device: JsonObject) -> bool:
    return DESIRED_ANNOTATION in ((device.get("metadata") or {}).get("annotations") or {})


def wish_version(device: JsonObject) -> str:
    """Since which version the wish is as it is: what the annotation says while its digest fits, else the newest."""
    annotation = ((device.get("metadata") or {}).get("annotations") or {}).get(DESIRED_ANNOTATION)
    version, _, of = str(annotation or "").partition(":")
    newest = version_of(device)
    return version if of == digest(device) and 0 < as_number(version) <= as_number(newest) else newest


def membership(device: JsonObject, *, version: str, now_ms: int) -> Owed:
    """``device`` as a member of its node, all of its twins included; a node that knows it makes it equal to this."""
    added = device_entry(device, version=version, now_ms=now_ms)
    message = _message(MEMBERSHIP, _membership([added], None, now_ms), version=version, now_ms=now_ms)
    return Owed(device_key(identity(device)[1]), uid_of(device), version, message)


def no_membership(device: JsonObject, *, now_ms: int) -> Owed:
    """After which the node does not serve ``device`` any more. Its header has no version: it must win over whatever still waits."""
    removed = device_entry(device, version=version_of(device), now_ms=now_ms)
    message = _message(MEMBERSHIP, _membership(None, [removed], now_ms), version="", now_ms=now_ms)
    return Owed(device_key(identity(device)[1]), uid_of(device), version_of(device), message, removal=True)


def no_membership_by_name(name: str, uid: str, *, now_ms: int) -> Owed:
    return no_membership({"metadata": {"name": name} | ({"uid": uid} if uid else {})}, now_ms=now_ms)


def detail_answer(request: Message, devices: list[JsonObject], *, now_ms: int) -> Message:
    """The answer to ``membership/detail``: everything that the node serves (bug C19)."""
    content = {"event_id": str(uuid.uuid4()), "timestamp": now_ms, "devices": devices}
    return new_message(
        source=Source.DEVICECONTROLLER,
        group=Group.TWIN,
        operation=Operation.RESPONSE,
        resource=MEMBERSHIP_DETAIL,
        now_ms=now_ms,
        content=content,
        parent_msg_id=request.id,
    )


def device_entry(device: JsonObject, *, version: str, now_ms: int) -> JsonObject:
    namespace, name = identity(device)
    entry: JsonObject = {"id": name, "name": name}
    if _description(device):
        entry["description"] = _description(device)
    entry["uid"] = uid_of(device)
    entry["namespace"] = namespace
    entry["twin"] = _message_twins(wished_of(device), version, now_ms)
    return entry


def _membership(added: list[JsonObject] | None, removed: list[JsonObject] | None, now_ms: int) -> JsonObject:
    return {"event_id": str(uuid.uuid4()), "timestamp": now_ms, "added_devices": added, "removed_devices": removed}


def _message_twins(twins: dict[str, JsonObject], version: str, now_ms: int) -> dict[str, JsonObject]:
    return {name: _message_twin(twin, as_number(version), now_ms) for name, twin in twins.items()}


def _message_twin(twin: JsonObject, version: int, now_ms: int) -> JsonObject:
    desired = _desired(twin)
    return {
        "expected": {"value": desired["value"], "metadata": {"timestamp": now_ms}},
        "optional": False,
        "metadata": {"type": desired["type"]},
        "expected_version": {"cloud": version, "edge": 0},
    }


def _desired(twin: JsonObject) -> dict[str, str]:
    desired = twin.get("desired")
    desired = desired if isinstance(desired, dict) else {}
    metadata = desired.get("metadata")
    kind = metadata.get("type") if isinstance(metadata, dict) else None
    return {"value": str(desired.get("value") or ""), "type": str(kind or "string")}


def _description(device: JsonObject) -> str:
    return str(((device.get("metadata") or {}).get("labels") or {}).get("description") or "")


def _message(resource: str, content: Any, *, version: str, now_ms: int) -> Message:
    return new_message(
        source=Source.DEVICECONTROLLER,
        group=Group.TWIN,
        operation=Operation.UPDATE,
        resource=resource,
        now_ms=now_ms,
        content=content,
        resource_version=version,
    )
