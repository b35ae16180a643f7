"""What people say on the readable tree (P6.9) and rules say by themselves (P8.5): a value to desire, by the same road as ``twin/update``.
No I/O.

Whatever is refused is answered in words: to people on the property's ``error`` topic.
"""

from __future__ import annotations

import json
import uuid

from edgecore.beehive.letters import Arrived, Desire
from edgecore.devicetwin import documents
from edgecore.devicetwin.merge import TwinRefused, check_value, merge_update
from edgecore.devicetwin.models import check_desired, kind_of
from edgecore.devicetwin.requests import carry_out
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.devicetwin.turn import Turn
from viaduct import tree
from viaduct.device import MAX_VALUE, MsgTwin, TwinValue, is_value
from viaduct.jsontext import read_json

MAX_PAYLOAD = 4096
RETAINED = "ignored, because it was retained: it would be said again at each start; publish it without retain"


def handle(device: str, name: str, letter: Arrived, turn: Turn) -> None:
    """Take a wish for property ``name`` of ``device`` into ``turn``. An empty one asks nothing: that is how a retained message is removed,
    also by ourselves."""
    if not letter.payload:
        return
    try:
        shadow, update = _wish(device, name, letter, turn)
        check_desired(turn.model(device), update)
        changes = merge_update(shadow.twins, update, now_ms=turn.now_ms)
    except TwinRefused as why:
        turn.say(tree.error(letter.topic), str(why))
        return
    carry_out(shadow, changes, str(uuid.uuid4()), turn)


def desire(wish: Desire, turn: Turn) -> None:
    """Take the wish of a rule into ``turn``. One that is desired already changes nothing, but mappers hear of it again."""
    refused: list[bytes | str] = []
    try:
        shadow, twin = _writable(wish.device, wish.property, turn)
        check_value(kind_of(twin, turn.model(wish.device).facts(wish.property)), wish.value)
        update = {wish.property: MsgTwin(expected=TwinValue(wish.value))}
        check_desired(turn.model(wish.device), update)
        is_so = twin.expected is not None and twin.expected.value == wish.value
        carry_out(shadow, {} if is_so else merge_update(shadow.twins, update, now_ms=turn.now_ms), str(uuid.uuid4()), turn)
    except TwinRefused as why:
        refused.append(str(why))
    turn.answers.append((wish.answer, refused))


def refuse_unsaved(device: str, name: str, letter: Arrived, turn: Turn) -> None:
    """The answer to a wish whose effect could not be saved."""
    turn.say(tree.error(letter.topic), documents.WRITE_FAILED)


def desired_text(payload: bytes, declared: str) -> str:
    """``payload`` as a twin has it: the text itself, or ``value`` of a JSON object.

    Raises:
        TwinRefused: saying what was expected.
    """
    if len(payload) > MAX_PAYLOAD:
        raise TwinRefused(f"{len(payload)} bytes, the limit is {MAX_PAYLOAD}")
    try:
        text = payload.decode()
    except UnicodeDecodeError as exc:
        raise TwinRefused(f"not UTF-8 at byte {exc.start}") from exc
    text = text.removesuffix("\n").removesuffix("\r") if declared in ("", "string") else text.strip()
    text = _compact(text) if declared == "json" else _unwrapped(text)
    if not text:
        raise TwinRefused('the payload is empty: expected a value such as 23.5, or {"value": 23.5}')
    if not is_value(text):
        raise TwinRefused(f"a value is printable text of at most {MAX_VALUE} characters")
    check_value(declared, text)
    return text


def _wish(device: str, name: str, letter: Arrived, turn: Turn) -> tuple[Shadow, dict[str, MsgTwin | None]]:
    if letter.retained:
        raise TwinRefused(RETAINED)
    shadow, twin = _writable(device, name, turn)
    payload = desired_text(letter.payload, kind_of(twin, turn.model(device).facts(name)))
    return shadow, {name: MsgTwin(expected=TwinValue(payload))}


def _writable(device: str, name: str, turn: Turn) -> tuple[Shadow, Twin]:
    shadow = turn.shadows.get(device)
    if shadow is None:
        raise TwinRefused(f"this node has no device {device[:253]!r}")
    twin = shadow.twins.get(name)
    if twin is None or twin.gone:
        known = ", ".join(sorted(other for other, held in shadow.twins.items() if not held.gone)) or "none"
        raise TwinRefused(f"device {device} has no property {name[:128]!r}; it has: {known}")
    if turn.model(device).facts(name).writable is False:
        raise TwinRefused("the property can only be read: its model says accessMode ReadOnly")
    return shadow, twin


def _compact(text: str) -> str:
    try:
        return json.dumps(read_json(text), separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _unwrapped(text: str) -> str:
    """Text that is no object with a ``value`` counts as it stands, so a string may be any text."""
    if not text.startswith("{"):
        return text
    try:
        found = read_json(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(found, dict) or "value" not in found:
        return text
    value = found["value"]
    if isinstance(value, str):
        return value
    if not isinstance(value, bool | int | float):
        raise TwinRefused("value: expected a number, text, true or false")
    return json.dumps(value)
