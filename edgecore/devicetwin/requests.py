"""What applications and mappers ask over MQTT, and the answers (contract 6.3; P6). No I/O.

Answers go to the topic of the device that was asked for, errors too (KubeEdge sends those to an empty device id: bug E8).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from edgecore.beehive.letters import Arrived
from edgecore.devicetwin import documents
from edgecore.devicetwin.merge import Change, TwinRefused, merge_update
from edgecore.devicetwin.models import check_desired
from edgecore.devicetwin.shadow import Shadow
from edgecore.devicetwin.turn import Turn
from viaduct import topics
from viaduct.device import TwinUpdate
from viaduct.deviceparse import TwinMissing, parse_profile_request, parse_request, parse_state_update, parse_twin_update
from viaduct.errors import MalformedPayload
from viaduct.states import ONLINE, STATES, understood
from viaduct.topics import Matched, Request

_SEEN_MS = 60_000


def handle(matched: Matched, letter: Arrived, turn: Turn) -> None:
    """Take one request into ``turn``. Anything malformed becomes an answer or a warning."""
    if matched.subject in turn.shadows:
        turn.forms.hear(matched.subject, matched.namespace)
    if matched.request is Request.TWIN_UPDATE:
        _update_twins(matched, letter, turn)
    elif matched.request is Request.TWIN_GET:
        _get_twins(matched, letter, turn)
    elif matched.request is Request.STATE_UPDATE:
        _update_state(matched, letter, turn)
    elif matched.request is Request.MEMBERSHIP_GET:
        _get_members(matched.subject, letter, turn)
    elif matched.request is Request.PROFILE_GET:
        _get_profiles(matched.subject, letter, turn)
    elif matched.request is Request.TWIN_CLOUD_UPDATED:
        turn.warnings.append(f"{letter.topic}: ignored, only the cloud speaks for the cloud")


def refuse_unsaved(matched: Matched, letter: Arrived, turn: Turn) -> None:
    """The answer to a request whose effect could not be saved (code 500)."""
    if matched.request is Request.TWIN_UPDATE:
        try:
            event_id = parse_twin_update(letter.payload).event_id
        except MalformedPayload:
            event_id = ""
        _refuse_update(matched.address, event_id, documents.NOT_SAVED, documents.WRITE_FAILED, turn)
    elif matched.request is not Request.STATE_UPDATE:
        handle(matched, letter, turn)


def say_delta(shadow: Shadow, turn: Turn) -> None:
    """The device's delta, where it has one."""
    payload = documents.delta(str(uuid.uuid4()), shadow.twins, turn.now_ms) if _differs(shadow) else None
    if payload is not None:
        turn.say_about(shadow.id, topics.twin_update_delta, payload)


def carry_out(shadow: Shadow, changes: Mapping[str, Change], event_id: str, turn: Turn) -> None:
    """Take over what somebody on the board changes, owe it to the cloud, and tell mappers."""
    if changes:
        shadow = turn.change_twins(shadow, changes, report=True)
        turn.say_about(shadow.id, topics.twin_update_document, documents.document(event_id, changes, turn.now_ms))
    say_delta(shadow, turn)


def _update_twins(matched: Matched, letter: Arrived, turn: Turn) -> None:
    try:
        update = parse_twin_update(letter.payload)
    except TwinMissing:
        _refuse_update(matched.address, _event_id(letter), documents.BAD_REQUEST, documents.NO_TWIN, turn)
        return
    except MalformedPayload as fault:
        reason = documents.UNREADABLE if fault.field == "payload" else f"{documents.UNREADABLE} ({fault})"
        _refuse_update(matched.address, _event_id(letter), documents.BAD_REQUEST, reason, turn)
        return
    shadow = turn.shadows.get(matched.subject)
    if shadow is None:
        _refuse_update(matched.address, update.event_id, documents.NOT_FOUND, documents.NO_DEVICE, turn)
        return
    _apply(shadow, update, matched.address, turn)


def _apply(shadow: Shadow, update: TwinUpdate, address: str, turn: Turn) -> None:
    try:
        check_desired(turn.model(shadow.id), update.twins)
        changes = merge_update(shadow.twins, update.twins, now_ms=turn.now_ms)
    except TwinRefused as why:
        _refuse_update(address, update.event_id, documents.BAD_REQUEST, str(why), turn)
        return
    turn.say(topics.twin_update_result(address), documents.result(update.event_id, changes, turn.now_ms))
    carry_out(shadow, changes, update.event_id, turn)


def _get_twins(matched: Matched, letter: Arrived, turn: Turn) -> None:
    topic = topics.twin_get_result(matched.address)
    try:
        event_id, _ = parse_request(letter.payload)
    except MalformedPayload as fault:
        turn.say(topic, documents.error("", documents.BAD_REQUEST, str(fault), turn.now_ms))
        return
    shadow = turn.shadows.get(matched.subject)
    if shadow is None:
        turn.say(topic, documents.error(event_id, documents.NOT_FOUND, documents.not_found_while_getting(matched.subject), turn.now_ms))
        return
    turn.say(topic, documents.twins_result(event_id, shadow.twins, turn.now_ms))


def _get_members(node: str, letter: Arrived, turn: Turn) -> None:
    topic = topics.membership_get_result(node)
    try:
        event_id, _ = parse_request(letter.payload)
    except MalformedPayload as fault:
        turn.say(topic, documents.error("", documents.BAD_REQUEST, str(fault), turn.now_ms))
        return
    turn.say(topic, documents.members_result(event_id, turn.shadows.values(), turn.now_ms))


def _get_profiles(node: str, letter: Arrived, turn: Turn) -> None:
    """A broker may carry several nodes, each answers for itself."""
    if node not in (turn.node, topics.ANY_NODE):
        return
    topic = topics.profile_get_result(turn.node)
    try:
        event_id, have = parse_profile_request(letter.payload)
    except MalformedPayload as fault:
        turn.say(topic, documents.error("", documents.BAD_REQUEST, str(fault), turn.now_ms))
        return
    turn.say(topic, documents.profiles(event_id, turn.profiles(), turn.now_ms, have=have))


def _update_state(matched: Matched, letter: Arrived, turn: Turn) -> None:
    shadow = turn.shadows.get(matched.subject)
    try:
        update = parse_state_update(letter.payload)
    except MalformedPayload as fault:
        turn.warnings.append(f"{letter.topic}: {fault}")
        return
    said = understood(update.state, update.faults)
    if shadow is None or said is None:
        return
    state, faults = said
    last_online = _written(turn.now_ms) if state == ONLINE else shadow.last_online
    before, shadow = shadow, replace(shadow, state=state, last_online=last_online, faults=shadow.faults if faults is None else faults)
    text = documents.state_result(str(uuid.uuid4()), shadow, turn.now_ms)
    if _is_news(before, shadow, update.state, turn.now_ms):
        turn.keep_device(shadow)
        turn.report_state(shadow, text)
    turn.say(topics.state_update_result(matched.address), text)


def _is_news(before: Shadow, now: Shadow, word: str, now_ms: int) -> bool:
    """Mappers that say states in other words say them each second (P6.18): what changes nothing costs the flash once a minute."""
    if word in STATES or replace(before, last_online=now.last_online) != now:
        return True
    return now.state == ONLINE and before.last_online <= _written(now_ms - _SEEN_MS)


def _refuse_update(address: str, event_id: str, code: int, reason: str, turn: Turn) -> None:
    turn.say(topics.twin_update_result(address), documents.error(event_id, code, reason, turn.now_ms))


def _differs(shadow: Shadow) -> bool:
    return any(twin.differs for twin in shadow.twins.values())


def _event_id(letter: Arrived) -> str:
    """Of a body that is otherwise at fault, so that the requester knows which; empty where even that is not readable."""
    try:
        return parse_request(letter.payload)[0]
    except MalformedPayload:
        return ""


def _written(now_ms: int) -> str:
    """KubeEdge's format, but UTC and only when the device was online (E14): a board's local time says nothing to the cloud."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
