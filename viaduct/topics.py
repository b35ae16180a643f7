"""MQTT topic names of the contract (section 6.1): build and match. ``node`` is a single topic level; ``device`` is one too, or
``<namespace>/<device>`` in the form of KubeEdge 1.16 and later (contract 6.8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEVICE_PREFIX = "$hw/events/device/"
NODE_PREFIX = "$hw/events/node/"
DATA_PREFIX = "$ke/events/device/"
UPLOAD_PREFIX = "$hw/events/upload/"
UPLOAD_RECORDS = "SYS/dis/upload_records"

EDGE_SUBSCRIPTIONS = (
    "$hw/events/upload/#",
    "$hw/events/node/+/membership/get",
    "$hw/events/node/+/profile/get",
    UPLOAD_RECORDS,
)
"""EdgeCore's own filters besides those of devices, all at QoS 1."""

PLAIN_SUBSCRIPTIONS = ("$hw/events/device/+/state/update", "$hw/events/device/+/twin/+")
NAMESPACED_SUBSCRIPTIONS = ("$hw/events/device/+/+/state/update", "$hw/events/device/+/+/twin/+")
DATA_SUBSCRIPTIONS = ("$ke/events/device/+/data/update", "$ke/events/device/+/+/data/update")
"""Where mappers publish what they measure, value by value (contract 11.4)."""

PROFILE_SUBSCRIPTIONS = ("$hw/events/node/+/profile/get/result", "$hw/events/node/+/profile/updated")
"""What a mapper listens to that has its devices from EdgeCore (P6.16)."""

ANY_NODE = "_"
"""In a question of a mapper that does not know how its node is called; no node is called so."""


class Request(StrEnum):
    """What a topic asks of EdgeCore."""

    STATE_UPDATE = "state/update"
    TWIN_GET = "twin/get"
    TWIN_UPDATE = "twin/update"
    TWIN_CLOUD_UPDATED = "twin/cloud_updated"
    MEMBERSHIP_GET = "membership/get"
    DATA_UPDATE = "data/update"
    PROFILE_GET = "profile/get"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Matched:
    """``subject`` is the device id, the node name, or for UPLOAD the whole topic. ``namespace``: of a device, where the topic names one."""

    request: Request
    subject: str
    namespace: str = ""

    @property
    def address(self) -> str:
        """The device in the form of this topic: where its answers go."""
        return f"{self.namespace}/{self.subject}" if self.namespace else self.subject


_DEVICE_REQUESTS = {
    "state/update": Request.STATE_UPDATE,
    "twin/get": Request.TWIN_GET,
    "twin/update": Request.TWIN_UPDATE,
    "twin/cloud_updated": Request.TWIN_CLOUD_UPDATED,
}

_NODE_REQUESTS = {"membership/get": Request.MEMBERSHIP_GET, "profile/get": Request.PROFILE_GET}


def match(topic: str) -> Matched | None:
    """Which request a topic is, by whole levels: an id such as ``hw``, ``device`` or ``twin`` is just an id (bug E8)."""
    if topic == UPLOAD_RECORDS or (topic.startswith(UPLOAD_PREFIX) and len(topic) > len(UPLOAD_PREFIX)):
        return Matched(Request.UPLOAD, topic)
    levels = topic.split("/")
    if levels[0] == "$ke":
        return _match_data(levels)
    if not 6 <= len(levels) <= 7 or levels[:2] != ["$hw", "events"] or not levels[3]:
        return None
    if len(levels) == 7:
        request = _DEVICE_REQUESTS.get(f"{levels[5]}/{levels[6]}")
        return Matched(request, levels[4], levels[3]) if request and levels[2] == "device" and levels[4] else None
    tail = f"{levels[4]}/{levels[5]}"
    if levels[2] == "device" and tail in _DEVICE_REQUESTS:
        return Matched(_DEVICE_REQUESTS[tail], levels[3])
    if levels[2] == "node" and tail in _NODE_REQUESTS:
        return Matched(_NODE_REQUESTS[tail], levels[3])
    return None


def _match_data(levels: list[str]) -> Matched | None:
    if levels[:3] != ["$ke", "events", "device"] or levels[-2:] != ["data", "update"] or not 6 <= len(levels) <= 7 or not levels[-3]:
        return None
    return Matched(Request.DATA_UPDATE, levels[-3], levels[3] if len(levels) == 7 else "")


def state_update(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/state/update"


def state_update_result(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/state/update/result"


def device_updated(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/updated"


def twin_get(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/twin/get"


def twin_get_result(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/twin/get/result"


def twin_update(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/twin/update"


def twin_update_result(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/twin/update/result"


def twin_update_delta(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/twin/update/delta"


def twin_update_document(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/twin/update/document"


def twin_cloud_updated(device: str) -> str:
    return f"{DEVICE_PREFIX}{device}/twin/cloud_updated"


def data_update(device: str) -> str:
    return f"{DATA_PREFIX}{device}/data/update"


def membership_get(node: str) -> str:
    return f"{NODE_PREFIX}{node}/membership/get"


def membership_get_result(node: str) -> str:
    return f"{NODE_PREFIX}{node}/membership/get/result"


def membership_updated(node: str) -> str:
    return f"{NODE_PREFIX}{node}/membership/updated"


def profile_get(node: str) -> str:
    return f"{NODE_PREFIX}{node}/profile/get"


def profile_get_result(node: str) -> str:
    return f"{NODE_PREFIX}{node}/profile/get/result"


def profile_updated(node: str) -> str:
    return f"{NODE_PREFIX}{node}/profile/updated"


def profile_teller(topic: str) -> str:
    """The node whose devices a message on one of PROFILE_SUBSCRIPTIONS tells; empty for any other topic."""
    for end in ("/profile/get/result", "/profile/updated"):
        if topic.startswith(NODE_PREFIX) and topic.endswith(end):
            return topic[len(NODE_PREFIX) : -len(end)]
    return ""


def auth_info_result(node: str) -> str:
    return f"{NODE_PREFIX}{node}/authInfo/get/result"


def filter_matches(pattern: str, topic: str) -> bool:
    """Whether an MQTT filter (``+``, ``#``) matches a topic (MQTT 3.1.1 section 4.7; ``$`` topics need a ``$`` filter)."""
    if topic.startswith("$") != pattern.startswith("$"):
        return False
    wanted, got = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(got) or level not in ("+", got[index]):
            return False
    return len(wanted) == len(got)
