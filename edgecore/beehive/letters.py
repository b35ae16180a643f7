"""What modules say to each other besides ``viaduct.Message``. Modules are strangers; these values are all they share."""

from __future__ import annotations

from dataclasses import dataclass


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
    """To EventBus: publish ``payload`` (bytes or text) on the MQTT ``topic``."""

    topic: str
    payload: bytes | str


@dataclass(frozen=True, slots=True)
class Arrived:
    """From EventBus: ``payload`` arrived on the MQTT ``topic``."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class PodChanged:
    """MetaManager to Edged, after the commit: ``pod`` is the stored object, or None when it was deleted. ``key`` is ``<ns>/pod/<name>``."""

    key: str
    pod: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """MetaManager to Edged, after the commit: a ConfigMap or Secret (``key`` ``<ns>/configmap/<name>``) was stored or deleted."""

    key: str


@dataclass(frozen=True, slots=True)
class PublishAll:
    """To EventBus: publish these in this order."""

    publishes: tuple[Publish, ...]


@dataclass(frozen=True, slots=True)
class BusRestored:
    """EventBus to DeviceTwin: a broker answers (again); who listened before may have missed something."""
