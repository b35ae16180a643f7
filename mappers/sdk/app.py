"""Builds a mapper from its settings and runs it until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

from mappers.sdk.bus import BrokerAddress, Bus, parse_url
from mappers.sdk.config import Settings
from mappers.sdk.conversation import Pace
from mappers.sdk.driver import Family
from mappers.sdk.mapper import Mapper
from supervision.notify import service_manager

logger = logging.getLogger(__name__)


def run(protocol: str, family: Family, settings: Settings) -> None:
    """Returns when told to end. Raises BusError."""
    host, port, tls = parse_url(settings.broker)
    address = BrokerAddress(host, port, tls, settings.username, settings.password, settings.ca_file)
    mapper: Mapper
    bus = Bus(
        address,
        name=f"bramble-{protocol}",
        on_message=lambda topic, payload: mapper.take(topic, payload),
        on_connected=lambda: mapper.broker_back(),
    )
    mapper = Mapper(family, bus, Path(settings.profile), Pace(settings.poll, settings.refresh, settings.deadband))
    manager = service_manager()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    bus.start()
    manager.ready(f"follows {settings.profile}")
    mapper.run(ended, manager.alive)
    manager.stopping()
    bus.stop()
    logger.info("ended")
