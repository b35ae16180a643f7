"""What modules say to each other besides ``viaduct.Message``. Modules are strangers; these values are all they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """EdgeHub to everyone: the link to the cloud came (``ledger``: in which mode) or went."""

    connected: bool
    ledger: bool = False


@dataclass(frozen=True, slots=True)
class OutboxChanged:
    """To EdgeHub, after a commit: there is something owed to the cloud."""


@dataclass(frozen=True, slots=True)
class Publish:
    """To EventBus: publish ``payload`` (bytes or text) on the MQTT ``topic``; ``retain``: the broker keeps it, or, if it is empty, keeps
    nothing there any more."""

    topic: str
    payload: bytes | str
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """From EventBus: ``payload`` arrived on the MQTT ``topic``. Who asks in another way sets ``answer``: it is called, and must not wait,
    with the payloads that are published in answer, after the commit. ``retained``: the broker had kept it, it was not said just now.
    """

    topic: str
    payload: bytes
    answer: Callable[[list[bytes | str]], None] | None = None
    retained: bool = False


@dataclass(frozen=True, slots=True)
class PodChanged:
    """MetaManager to Edged, after the commit: ``pod`` is the stored object, or None when it was deleted. ``key`` is ``<ns>/pod/<name>``."""

    key: str
    pod: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """MetaManager to Edged, and of a profile of devices to DeviceTwin, after the commit: a ConfigMap, Secret, Service or Endpoints was
    stored or deleted; of a DeviceRule to Rules, of a NodeUpgradeJob to Upgrade. ``key``: ``<ns>/configmap/<name>``."""

    key: str


@dataclass(frozen=True, slots=True)
class PublishAll:
    """To EventBus: publish these in this order."""

    publishes: tuple[Publish, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A property as a device has it: ``type`` of its values, and the reported one; None while there is none that can be relied on."""

    type: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Rules to DeviceTwin: say what these properties (device, property) are now, and from now on when one changes."""

    places: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TwinsChanged:
    """DeviceTwin to Rules, after the commit: watched properties as they are now; None: there is no such property."""

    seen: Mapping[tuple[str, str], Seen | None]


@dataclass(frozen=True, slots=True)
class WatchAgain:
    """DeviceTwin to Rules: it began anew and watches nothing."""


@dataclass(frozen=True, slots=True)
class Desire:
    """Rules to DeviceTwin: desire ``value``. ``answer`` is called, and must not wait, after the commit: with nothing, or with why not."""

    device: str
    property: str
    value: str
    answer: Callable[[list[bytes | str]], None]


@dataclass(frozen=True, slots=True)
class RulesAsked:
    """From the local command line to Rules: ``answer`` is called, and must not wait, with every rule."""

    answer: Callable[[list[dict[str, object]]], None]


@dataclass(frozen=True, slots=True)
class BusRestored:
    """EventBus to DeviceTwin: a broker answers (again); who listened before may have missed something.

    ``retained``: what that broker keeps of ours, payload by topic; empty where EventBus was not told to look.
    """

    retained: Mapping[str, bytes] = field(default_factory=dict)
