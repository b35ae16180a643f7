"""Builds a mapper from its settings and runs it until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mappers.sdk import driver, tally
from mappers.sdk.bus import BrokerAddress, Bus, parse_url
from mappers.sdk.config import Settings, parse_address
from mappers.sdk.conversation import Pace
from mappers.sdk.errors import SettingError
from mappers.sdk.mapper import Mapper, Source
from mappers.sdk.profilefile import ProfileFile
from mappers.sdk.profiletold import ProfileTold
from supervision.exposition import Family, render
from supervision.notify import service_manager
from viaduct import topics

logger = logging.getLogger(__name__)

KUBEEDGE_PROFILE = "/opt/kubeedge/deviceProfile.json"
"""Where pods of KubeEdge's mappers have the ConfigMap."""


def run(protocol: str, family: driver.Family, settings: Settings) -> None:
    """Returns when told to end. Raises BusError, SettingError."""
    host, port, tls = parse_url(settings.broker)
    address = BrokerAddress(host, port, tls, settings.username, settings.password, settings.ca_file)
    mapper: Mapper
    bus = Bus(
        address,
        name=f"bramble-{protocol}",
        on_message=lambda topic, payload: mapper.take(topic, payload),
        on_connected=lambda: mapper.broker_back(),
    )
    source = _source(settings, bus)
    mapper = Mapper(family, bus, source, Pace(settings.poll, settings.refresh, settings.deadband))
    manager = service_manager()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with _metrics(settings.metrics_address, lambda: _numbers(mapper, bus)):
        bus.start()
        manager.ready(f"follows {source.name}")
        mapper.run(ended, manager.alive)
        manager.stopping()
        bus.stop()
    logger.info("ended")


def _source(settings: Settings, bus: Bus) -> Source:
    """The file that is named, or that lies where KubeEdge's mappers have it mounted; else EdgeCore."""
    path = Path(settings.profile or KUBEEDGE_PROFILE)
    if settings.profile or path.exists():
        logger.info("the devices are those of %s", path)
        return ProfileFile(path)
    logger.info("the devices are those that EdgeCore tells")
    bus.subscribe(topics.PROFILE_SUBSCRIPTIONS)
    return ProfileTold(bus.publish, settings.node)


def _numbers(mapper: Mapper, bus: Bus) -> Iterator[Family]:
    return tally.families(mapper.tallies(), mapper.states(), tally.Line(bus.connections, bus.is_connected))


@contextmanager
def _metrics(address: str, numbers: Callable[[], Iterable[Family]]) -> Iterator[None]:
    """Serves them as long as it lasts. Raises SettingError."""
    if not address:
        yield
        return
    # Only who asks for it pays for it.
    from supervision.metricsserver import MetricsServer

    host, port = parse_address(address)
    try:
        server = MetricsServer(host, port, lambda: render(numbers(), prefix=tally.PREFIX))
    except OSError as exc:
        raise SettingError("--metrics-address", f"cannot listen on {address}: {exc.strerror or exc}") from exc
    server.start()
    logger.info("metrics on http://%s:%d/metrics", host, server.port)
    try:
        yield
    finally:
        server.stop()
