"""What an upload is (P5.9), and which records make room for others. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from cloudcore.errors import Refused
from viaduct.message import Message
from viaduct.topics import UPLOAD_PREFIX

MAX_TOPIC = 480
_OVERHEAD = 100
"""Bytes that a record takes in the file beside its texts, roughly."""


@dataclass(frozen=True, slots=True)
class Record:
    """``sent_ms`` by the board's clock, which may be wrong; ``stored_ms`` by ours. Milliseconds since the epoch."""

    node: str
    topic: str
    msg_id: str
    sent_ms: int
    stored_ms: int
    content: str

    @property
    def size(self) -> int:
        texts = (self.node, self.topic, self.msg_id, self.content)
        return _OVERHEAD + sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


@dataclass(frozen=True, slots=True)
class Caps:
    """``max_age`` in seconds, by our clock."""

    max_bytes: int
    max_age: int


@dataclass(frozen=True, slots=True)
class Query:
    """The newest ``limit`` records of ``node`` on ``topic`` (empty: of all) that were stored since ``since_ms``; oldest first."""

    node: str = ""
    topic: str = ""
    since_ms: int = 0
    limit: int = 100


def record_of(node: str, message: Message, now_ms: int) -> Record:
    """What ``node``, by its certificate, has uploaded.

    Raises:
        Refused: the text names the field.
    """
    if not isinstance(message.content, str):
        raise Refused("content: expected the payload as text")
    return Record(node, topic_of(message.route.resource), message.id, message.header.timestamp, now_ms, message.content)


def topic_of(resource: str) -> str:
    """The MQTT topic of an upload: KubeEdge writes it as base64url, we as it is.

    Raises:
        Refused: it is no topic that can be published on.
    """
    topic = _decoded(resource)
    if not is_topic(topic):
        raise Refused(f"route.resource: expected an MQTT topic of at most {MAX_TOPIC} characters, got {topic[:100]!r}")
    return topic


def is_topic(text: str) -> bool:
    """Whether MQTT can publish on it, and a terminal show it."""
    return 0 < len(text) <= MAX_TOPIC and not any(char in "+#" or not char.isprintable() for char in text)


def greediest(held: Mapping[str, int]) -> str:
    """Whose oldest records go when there are too many: those of the node that has most bytes, so that no flood takes what is another's."""
    return max(held, key=lambda node: held[node])


def _decoded(resource: str) -> str:
    """Only what decodes to an upload topic was encoded: ``lamp`` is base64url too."""
    try:
        text = base64.b64decode(resource.encode("ascii"), altchars=b"-_", validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return resource
    return text if text.startswith(UPLOAD_PREFIX) else resource
