"""Made-up devices (``--simulate``): one for each device of the profile, with the characteristics and broadcasts that its properties name.

What is read-only drifts once a second and tells so; what can be written keeps what was written. The driver above is the real one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mappers.bluetooth.address import Peer
from mappers.bluetooth.radio import Abilities, Link, Sighting
from mappers.bluetooth.visitors import Broadcast, Characteristic, ServiceData, Visitor
from mappers.sdk.errors import DeviceAway

BEAT_SECONDS = 1.0

_START = 20
"""Of each number."""


@dataclass(slots=True)
class Peripheral:
    """``held``: the value of each characteristic and broadcast. ``fixed``: those that do not drift."""

    mac: str
    name: str
    held: dict[Characteristic | Broadcast, bytes] = field(default_factory=dict)
    fixed: set[Characteristic | Broadcast] = field(default_factory=set)

    def sighting(self) -> Sighting:
        services, companies = {}, {}
        for source, data in self.held.items():
            if isinstance(source, ServiceData):
                services[source.uuid] = data
            elif not isinstance(source, Characteristic):
                companies[source.company] = data
        return Sighting(self.mac, self.name, services, companies, self)

    def drift(self, source: Characteristic | Broadcast, chance: float) -> None:
        """One up or one down in the byte that was set first. ``chance``: 0 to 1."""
        data = bytearray(self.held[source])
        place = next((index for index, byte in enumerate(data) if byte), 0)
        data[place] = min(max(data[place] + (1 if chance > 0.5 else -1), 1), 254)
        self.held[source] = bytes(data)


class Air:
    """Everything that can be heard."""

    def __init__(self) -> None:
        self._peripherals: dict[Peer, Peripheral] = {}

    def add(self, peer: Peer, visitors: Mapping[str, Visitor]) -> None:
        made = Peripheral(peer.mac or f"02:00:00:00:00:{len(self._peripherals) % 256:02X}", peer.name)
        for visitor in visitors.values():
            made.held.setdefault(visitor.source, _first(visitor))
            if visitor.writes:
                made.fixed.add(visitor.source)
        self._peripherals[peer] = made

    def radio(self, adapter: str) -> SimulatedRadio:
        return SimulatedRadio(lambda: [made for peer, made in self._peripherals.items() if peer.adapter == adapter])


class SimulatedRadio:
    def __init__(self, around: Callable[[], list[Peripheral]]) -> None:
        self._around = around
        self._calling: asyncio.Task[None] | None = None

    async def listen(self, heard: Callable[[Sighting], None]) -> None:
        self._calling = asyncio.create_task(self._call(heard))

    async def rest(self) -> None:
        calling, self._calling = self._calling, None
        if calling is not None:
            calling.cancel()

    async def connect(self, sighting: Sighting, gone: Callable[[], None]) -> Link:
        return SimulatedLink(sighting.handle)

    async def _call(self, heard: Callable[[Sighting], None]) -> None:
        while True:
            for made in self._around():
                for source in made.held:
                    if not isinstance(source, Characteristic):
                        made.drift(source, random.random())
                heard(made.sighting())
            await asyncio.sleep(BEAT_SECONDS)


class SimulatedLink:
    def __init__(self, peripheral: Peripheral) -> None:
        self._peripheral = peripheral
        self._subscribers: dict[Characteristic, Callable[[bytes], None]] = {}
        self._telling: asyncio.Task[None] | None = asyncio.create_task(self._tell())

    def abilities(self) -> Mapping[str, Abilities]:
        able = Abilities(can_read=True, can_write=True, can_notify=True)
        return {source.uuid: able for source in self._peripheral.held if isinstance(source, Characteristic)}

    async def read(self, uuid: str) -> bytes:
        self._require_open()
        return self._peripheral.held[Characteristic(uuid)]

    async def write(self, uuid: str, data: bytes, *, answered: bool) -> None:
        self._require_open()
        self._peripheral.held[Characteristic(uuid)] = data
        self._peripheral.fixed.add(Characteristic(uuid))

    async def subscribe(self, uuid: str, heard: Callable[[bytes], None]) -> None:
        self._require_open()
        self._subscribers[Characteristic(uuid)] = heard

    async def close(self) -> None:
        telling, self._telling = self._telling, None
        if telling is not None:
            telling.cancel()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for source, heard in tuple(self._subscribers.items()):
                if source not in self._peripheral.fixed:
                    self._peripheral.drift(source, random.random())
                    heard(self._peripheral.held[source])

    def _require_open(self) -> None:
        if self._telling is None:
            raise DeviceAway(f"{self._peripheral.mac} is not connected")


def _first(visitor: Visitor) -> bytes:
    if visitor.writes:
        return next(iter(visitor.writes.values()))
    converter = visitor.converter
    data = bytearray(max(converter.start, converter.end) + 1)
    data[converter.end] = _START
    return bytes(data)
