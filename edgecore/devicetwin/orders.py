"""What the cloud says about devices (contract 5.3, 6.6; P6), taken into a turn. No I/O.

What comes from a Bramble cloud is acknowledged once its effect is saved; KubeEdge's messages are not.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

from edgecore.devicetwin import documents, membership
from edgecore.devicetwin.membership import Joined
from edgecore.devicetwin.models import out_of_limits
from edgecore.devicetwin.requests import say_delta
from edgecore.devicetwin.shadow import Shadow
from edgecore.devicetwin.sync import Synced, merge_sync
from edgecore.devicetwin.turn import Turn
from viaduct import topics
from viaduct.device import Device, MsgTwin, TwinValue
from viaduct.deviceparse import parse_attributes, parse_membership, parse_membership_detail, parse_twin_sync
from viaduct.errors import MalformedPayload, MalformedResource
from viaduct.message import Message, acknowledge, new_message
from viaduct.resource import MEMBERSHIP, MEMBERSHIP_DETAIL, parse_device, parse_device_resource
from viaduct.vocabulary import Operation, Source


def handle(message: Message, turn: Turn, *, ledger: bool) -> None:
    """Take one message of group ``twin`` into ``turn``, with its acknowledgement where the cloud waits for one.

    ``ledger``: the mode of the link as we last heard of it. A module that was started again has not heard; then the message itself tells,
    for only Bramble's have a version (a removal has none) or name a uid.
    """
    ledger = ledger or bool(message.header.resource_version) or _names_uid(message.content)
    try:
        known = _take(message, turn, ledger)
    except (MalformedPayload, MalformedResource) as fault:
        turn.warnings.append(f"{message.route.resource}: {fault}")
        if ledger:
            turn.to_cloud.append(_refusal(message, str(fault), turn.now_ms))
        return
    if not known:
        turn.warnings.append(f"{message.route.operation} {message.route.resource!r} from the cloud: not understood")
    if ledger:
        turn.to_cloud.append(acknowledge(message, now_ms=turn.now_ms))


def _names_uid(content: object) -> bool:
    entries = content.get("removed_devices") if isinstance(content, dict) else None
    return isinstance(entries, list) and any(isinstance(entry, dict) and entry.get("uid") for entry in entries)


def _take(message: Message, turn: Turn, ledger: bool) -> bool:
    resource = message.route.resource
    if resource == MEMBERSHIP:
        _change_members(message, turn, ledger)
    elif resource == MEMBERSHIP_DETAIL:
        _match_members(message, turn, ledger)
    elif message.route.operation == Operation.UPDATED and (device := parse_device(resource)) is not None:
        _change_attributes(device, message, turn)
    elif parse_device_resource(resource)[1] == "twin/cloud_updated":
        _sync(parse_device_resource(resource)[0], message, turn, ledger)
    else:
        return False
    return True


def _change_members(message: Message, turn: Turn, ledger: bool) -> None:
    content = parse_membership(message.content)
    turn.warnings.extend(f"membership: {text}" for text in content.refused)
    for device in content.added:
        _join(device, message, turn, ledger)
    for device in content.removed:
        shadow = turn.shadows.get(device.id)
        if shadow is not None and not membership.is_another(shadow, device):
            _remove(device.id, turn)


def _match_members(message: Message, turn: Turn, ledger: bool) -> None:
    content = parse_membership_detail(message.content)
    turn.warnings.extend(f"membership/detail: {text}" for text in content.refused)
    for device in content.added:
        _join(device, message, turn, ledger)
    if not content.refused:
        for name in membership.not_listed(turn.shadows, content.added):
            _remove(name, turn)


def _join(device: Device, message: Message, turn: Turn, ledger: bool) -> None:
    shadow = turn.shadows.get(device.id)
    version = message.header.resource_version
    if shadow is not None and membership.is_superseded(shadow, device, version):
        return
    if shadow is not None and membership.is_another(shadow, device):
        _remove(device.id, turn)
        shadow = None
    device = replace(device, twins=_within_limits(device.id, device.twins or {}, shadow, turn))
    joined = membership.join(shadow, device, version=version, now_ms=turn.now_ms, ledger=ledger)
    _keep(joined, shadow, turn)
    if not joined.known:
        turn.say(topics.membership_updated(turn.node), documents.member_added(str(uuid.uuid4()), joined.shadow, turn.now_ms))
    elif joined.attributes:
        turn.say_about(device.id, topics.device_updated, documents.attributes_updated("", joined.attributes, turn.now_ms))
    _announce(joined.shadow, joined.synced, turn)


def _within_limits(device: str, twins: Mapping[str, MsgTwin | None], held: Shadow | None, turn: Turn) -> dict[str, MsgTwin | None]:
    """``twins`` without desired values that the model does not allow: then what was desired before holds, or nothing."""
    model, allowed = turn.model(device), dict(twins)
    for name, entry in twins.items():
        reason = out_of_limits(model, name, entry.expected.value) if entry is not None and entry.expected is not None else ""
        if entry is not None and reason:
            turn.warnings.append(f"device {device}: {reason}; refused")
            known = held.twins.get(name) if held is not None else None
            allowed[name] = replace(entry, expected=TwinValue("") if known is None or known.gone else None)
    return allowed


def _keep(joined: Joined, before: Shadow | None, turn: Turn) -> None:
    gone = [name for name, change in joined.attributes.items() if change is None]
    turn.keep_device(joined.shadow, gone_attributes=gone)
    turn.change_twins(joined.shadow, joined.synced.changes, report=False)
    if before is not None:
        turn.report(before.id, joined.synced.rejected)


def _sync(device: str, message: Message, turn: Turn, ledger: bool) -> None:
    update = parse_twin_sync(message.content)
    turn.warnings.extend(f"{message.route.resource}: {text}" for text in update.refused)
    shadow = turn.shadows.get(device)
    sent = Device(device, uid=update.uid)
    if shadow is None or membership.is_another(shadow, sent):
        turn.warnings.append(f"{message.route.resource}: {documents.NO_DEVICE}")
        return
    if membership.is_superseded(shadow, sent, message.header.resource_version):
        return
    listed = _within_limits(device, update.twins, shadow, turn)
    synced = merge_sync(shadow.twins, listed, now_ms=turn.now_ms, ledger=ledger)
    if ledger:
        shadow = replace(shadow, uid=update.uid or shadow.uid, version=message.header.resource_version)
        turn.keep_device(shadow)
    shadow = turn.change_twins(shadow, synced.changes, report=False)
    turn.report(device, synced.rejected)
    _announce(shadow, synced, turn, event_id=update.event_id)


def _change_attributes(device: str, message: Message, turn: Turn) -> None:
    """Attributes that are not named stay as they are, which tells this from a membership message."""
    update = parse_attributes(message.content)
    turn.warnings.extend(f"{message.route.resource}: {text}" for text in update.refused)
    shadow = turn.shadows.get(device)
    if shadow is None:
        turn.warnings.append(f"{message.route.resource}: {documents.NO_DEVICE}")
        return
    after, changed = membership.with_attributes(shadow, update.attributes)
    if changed:
        turn.keep_device(after, gone_attributes=[name for name, change in changed.items() if change is None])
        turn.say_about(device, topics.device_updated, documents.attributes_updated(update.event_id, changed, turn.now_ms))


def _announce(shadow: Shadow, synced: Synced, turn: Turn, *, event_id: str = "") -> None:
    turn.warnings.extend(f"device {shadow.id}: {text}" for text in synced.skipped)
    if synced.changes:
        turn.say_about(shadow.id, topics.twin_update_document, documents.document(event_id, synced.changes, turn.now_ms))
        say_delta(turn.shadows[shadow.id], turn)


def _remove(device: str, turn: Turn) -> None:
    turn.remove_device(device)
    turn.say(topics.membership_updated(turn.node), documents.member_removed(str(uuid.uuid4()), device, turn.now_ms))


def _refusal(message: Message, reason: str, now_ms: int) -> Message:
    return new_message(
        source=Source.TWIN,
        group=message.route.group,
        operation=Operation.ERROR,
        resource=message.route.resource,
        now_ms=now_ms,
        content={"code": documents.BAD_REQUEST, "reason": reason, "retry": False},
        parent_msg_id=message.id,
    )
