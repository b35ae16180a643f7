"""Where an MQTT message goes, and what a message of the cloud asks of MQTT (contract 7.1, 7.2). Pure.

Something malformed is a refusal with a reason, never the end of the loop (bug E10).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from viaduct import topics
from viaduct.message import Message
from viaduct.topics import Request, filter_matches
from viaduct.vocabulary import Operation

MAX_TOPIC = 480
"""Characters of a topic that go up as a resource of the envelope."""

AUTH_INFO = "auth_info"


class Destination(Enum):
    TWIN = "twin"
    CLOUD = "cloud"
    BOTH = "both"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Subscribe:
    topic: str


@dataclass(frozen=True, slots=True)
class PublishOrder:
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str


def destination(topic: str, asked_for: Iterable[str], from_people: Iterable[str] = ()) -> Destination:
    """Of a message on ``topic``; ``asked_for`` are the filters that the cloud subscribed to, ``from_people`` those of what people say to
    DeviceTwin."""
    if any(filter_matches(pattern, topic) for pattern in from_people):
        return Destination.TWIN
    matched = topics.match(topic)
    if matched is not None and matched.request is Request.DATA_UPDATE:
        return Destination.BOTH if any(filter_matches(pattern, topic) for pattern in asked_for) else Destination.TWIN
    if matched is not None:
        return Destination.CLOUD if matched.request is Request.UPLOAD else Destination.TWIN
    if topic.startswith((topics.DEVICE_PREFIX, topics.NODE_PREFIX)):
        return Destination.NOWHERE
    return Destination.CLOUD if any(filter_matches(pattern, topic) for pattern in asked_for) else Destination.NOWHERE


def order(message: Message, node: str) -> Subscribe | PublishOrder | Refused | None:
    """What a ``user`` message asks; None where it is not for MQTT (ServiceBus shares the group)."""
    operation, resource = message.route.operation, message.route.resource
    if operation == Operation.SUBSCRIBE:
        return Subscribe(resource) if _is_filter(resource) else Refused(f"{resource[:200]!r} is not an MQTT filter")
    if operation == Operation.PUBLISH:
        return _publish(resource, message.content)
    if operation == Operation.MESSAGE:
        inner = message.content.get("message") if isinstance(message.content, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("topic"), str):
            return Refused("message.topic: expected a string")
        return _publish(inner["topic"], inner)
    if operation == Operation.GET_RESULT:
        if resource != AUTH_INFO:
            return Refused(f"{resource[:200]!r} is not auth_info")
        return _publish(topics.auth_info_result(node), message.content)
    return None


def upload_text(payload: bytes) -> str:
    """As Go turns bytes into JSON text: what is not UTF-8 becomes U+FFFD."""
    return payload.decode("utf-8", "replace")


def _publish(topic: str, content: Any) -> PublishOrder | Refused:
    if not _is_topic(topic):
        return Refused(f"{topic[:200]!r} is not an MQTT topic")
    return PublishOrder(topic, _payload(content))


def _payload(content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode("utf-8", "replace")
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _is_topic(topic: str) -> bool:
    return 0 < len(topic) <= MAX_TOPIC and not any(char in topic for char in "+#\0")


def _is_filter(pattern: str) -> bool:
    if not 0 < len(pattern) <= MAX_TOPIC or "\0" in pattern:
        return False
    levels = pattern.split("/")
    return all(level in ("+", "#") or not any(char in level for char in "+#") for level in levels) and "#" not in levels[:-1]
