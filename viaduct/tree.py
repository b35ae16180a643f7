"""Topics for people (P6.9): the devices of a node as a tree that any MQTT client can read. Pure.

<root>/<node>/status                        online or offline
<root>/<node>/<device>/availability         online, offline or unknown
<root>/<node>/<device>/<property>           the value that is reported
<root>/<node>/<device>/<property>/desired   the value that is desired
<root>/<node>/<device>/<property>/set       to desire a value
<root>/<node>/<device>/<property>/error     why that was refused
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ONLINE, OFFLINE = "online", "offline"

AVAILABILITY = "availability"
_SET, _ERROR = "/set", "/error"
_OTHER = re.compile(r"[^A-Za-z0-9.,:@_-]")
_CODED = re.compile(r"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Tree:
    """``root`` and ``node`` are one level each."""

    root: str
    node: str

    @property
    def prefix(self) -> str:
        """Every topic of the tree begins with it."""
        return f"{self.root}/{self.node}/"

    @property
    def status(self) -> str:
        return f"{self.prefix}status"

    @property
    def set_filter(self) -> str:
        return f"{self.prefix}+/+{_SET}"

    def availability(self, device: str) -> str:
        return f"{self.prefix}{device}/{AVAILABILITY}"

    def value(self, device: str, name: str) -> str:
        return f"{self.prefix}{device}/{level(name)}"

    def desired(self, device: str, name: str) -> str:
        return f"{self.value(device, name)}/desired"

    def set(self, device: str, name: str) -> str:
        return self.value(device, name) + _SET

    def addressed(self, topic: str) -> tuple[str, str] | None:
        """(device, property) of a ``set`` topic; None for any other."""
        if not topic.startswith(self.prefix) or not topic.endswith(_SET):
            return None
        levels = topic[len(self.prefix) : -len(_SET)].split("/")
        if len(levels) != 2 or not all(levels):
            return None
        return levels[0], _CODED.sub(lambda found: chr(int(found[1], 16)), levels[1])


def error(set_topic: str) -> str:
    """Where a refusal of what came on ``set_topic`` goes."""
    return set_topic.removesuffix(_SET) + _ERROR


def level(name: str) -> str:
    """A property's name as one level: what MQTT or this tree has another use for is percent-encoded, as in a URL."""
    if name == AVAILABILITY:
        return _coded(name[0]) + name[1:]
    return _OTHER.sub(lambda found: "".join(map(_coded, found[0])), name)


def _coded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())
