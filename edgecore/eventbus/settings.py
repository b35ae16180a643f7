"""What EventBus is told: values, and how EdgeCore's config (contract 9.3) becomes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgecore.config import EventBus as EventBusConfig
from edgecore.eventbus.broker import BrokerAddress, parse_address
from edgecore.eventbus.modes import EXTERNAL
from viaduct.topics import DATA_SUBSCRIPTIONS, EDGE_SUBSCRIPTIONS, NAMESPACED_SUBSCRIPTIONS, PLAIN_SUBSCRIPTIONS


@dataclass(frozen=True, slots=True)
class Retaining:
    """What EdgeCore retains at the broker for people (P6.9). ``status``: the topic that says whether this node is online, by last will.
    ``filters``: what people and their programs say to DeviceTwin. ``prefixes``: everything that we retain is below one of them."""

    status: str
    filters: tuple[str, ...]
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BusSettings:
    """``mode`` as mqttMode. ``directory`` belongs to our own broker. ``qos`` 1 or 2, of what we publish. ``queue``: messages that our own
    broker keeps for a slow client. ``probe_seconds``: how long an external broker may take to answer at the start. ``filters``: what
    EdgeCore itself listens to, besides those of ``retaining``, which is None where nothing is retained."""

    node: str
    directory: Path
    mode: int = EXTERNAL
    external: BrokerAddress = field(default_factory=lambda: BrokerAddress("127.0.0.1", 1883))
    internal: BrokerAddress = field(default_factory=lambda: BrokerAddress("127.0.0.1", 1884))
    fallback: bool = True
    qos: int = 1
    retain: bool = False
    queue: int = 1000
    probe_seconds: float = 2.0
    filters: tuple[str, ...] = (*EDGE_SUBSCRIPTIONS, *PLAIN_SUBSCRIPTIONS)
    retaining: Retaining | None = None


_DEVICES = {"plain": PLAIN_SUBSCRIPTIONS, "namespaced": NAMESPACED_SUBSCRIPTIONS, "both": (*PLAIN_SUBSCRIPTIONS, *NAMESPACED_SUBSCRIPTIONS)}


def bus_settings(
    config: EventBusConfig,
    *,
    node: str,
    directory: Path,
    topic_form: str = "plain",
    retaining: Retaining | None = None,
    takes_samples: bool = False,
) -> BusSettings:
    """``directory`` is made when our own broker starts. Answers about twins are never published below QoS 1 (contract 7.1): ``mqttQOS``
    can only raise that. A session queue below what one device may answer in a burst would lose answers, so 1,000 is the least.
    ``takes_samples``: somebody keeps what mappers measure."""
    return BusSettings(
        node=node,
        directory=directory,
        mode=config.mqtt_mode,
        external=parse_address(config.mqtt_server_external, username=config.mqtt_username, password=config.mqtt_password),
        internal=parse_address(config.mqtt_server_internal),
        fallback=config.broker_fallback,
        qos=max(1, config.mqtt_qos),
        retain=config.mqtt_retain,
        queue=max(1000, config.mqtt_session_queue_size),
        filters=(*EDGE_SUBSCRIPTIONS, *_DEVICES[topic_form], *(DATA_SUBSCRIPTIONS if takes_samples else ())),
        retaining=retaining,
    )
