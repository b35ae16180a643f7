"""Bluetooth Low Energy devices for the SDK: connected ones by their characteristics, others by what they broadcast."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from mappers.bluetooth import convert
from mappers.bluetooth.address import PROTOCOL, Peer, peer_of
from mappers.bluetooth.bluez import BluezRadio, require_bleak
from mappers.bluetooth.eventloop import EventLoop
from mappers.bluetooth.radio import Radio
from mappers.bluetooth.simulated import Air
from mappers.bluetooth.station import LOCATE_SECONDS, Ear, Station
from mappers.bluetooth.visit import Visit
from mappers.bluetooth.visitors import Broadcast, Characteristic, Visitor, visitor_of
from mappers.sdk.driver import Simulation
from mappers.sdk.errors import DeviceAway, DeviceRefused, ProfileError
from mappers.sdk.profile import Device, Property
from mappers.sdk.values import Value

SILENCE_SECONDS = 60.0
"""After which a sensor that only broadcasts is away."""

_OPEN_SECONDS = 40.0
"""To be heard, to connect and to subscribe."""

_ANSWER_SECONDS = 12.0
_CLOSE_SECONDS = 5.0


class BluetoothDriver:
    """One device."""

    def __init__(self, peer: Peer, visitors: Mapping[str, Visitor], loop: EventLoop, station: Callable[[], Station]) -> None:
        self._peer = peer
        self._visitors = visitors
        self._loop = loop
        self._station = station
        self._told: Callable[[str], None] = lambda name: None
        self._uuids = {visitor.source.uuid for visitor in visitors.values() if isinstance(visitor.source, Characteristic)}
        self._is_broadcasting = any(not isinstance(visitor.source, Characteristic) for visitor in visitors.values())
        self._ear = Ear(peer, self._broadcast_news)
        self._visit = Visit(peer.label, self._characteristic_news)

    @staticmethod
    def family() -> BluetoothFamily:
        """Raises MapperError where bleak is not installed."""
        require_bleak()
        return BluetoothFamily(BluezRadio)

    @staticmethod
    def simulation() -> AbstractContextManager[Simulation]:
        """The same with devices that are made up from the profile."""
        air = Air()
        return nullcontext(Simulation(BluetoothFamily(air.radio, meet=air.add), b""))

    def on_news(self, told: Callable[[str], None]) -> None:
        self._told = told

    def open(self) -> None:
        self._loop.call(self._open, limit=_OPEN_SECONDS, what=self._peer.label)

    def read(self, wanted: Property) -> Value:
        visitor = self._visitors[wanted.name]
        raw = self._loop.call(lambda: self._raw(visitor), limit=_ANSWER_SECONDS, what=self._peer.label)
        return convert.decode(raw, visitor, wanted)

    def write(self, wanted: Property, value: Value) -> None:
        visitor = self._visitors[wanted.name]
        self._loop.call(lambda: self._write(wanted, visitor, value), limit=2 * _ANSWER_SECONDS, what=self._peer.label)

    def close(self) -> None:
        try:
            self._loop.call(self._close, limit=_CLOSE_SECONDS, what=self._peer.label)
        except DeviceAway:
            # BlueZ hangs; what it keeps is found again by the next `open`.
            pass

    async def _open(self) -> None:
        station = self._station()
        if self._is_broadcasting:
            await station.lend(self._ear)
        if self._uuids:
            await self._visit.begin(await station.connect(self._peer, self._visit.lost), self._uuids)
        elif self._is_broadcasting:
            await self._await_voice()

    async def _await_voice(self) -> None:
        try:
            await asyncio.wait_for(self._ear.heard.wait(), LOCATE_SECONDS)
        except TimeoutError:
            raise DeviceAway(f"{self._peer.label} is not heard by {self._peer.adapter}") from None

    async def _close(self) -> None:
        await self._station().withdraw(self._ear)
        self._ear.forget()
        await self._visit.end()

    async def _raw(self, visitor: Visitor) -> bytes:
        if isinstance(visitor.source, Characteristic):
            return await self._visit.read(visitor.source.uuid)
        return self._overheard(visitor.source)

    def _overheard(self, source: Broadcast) -> bytes:
        ear, now = self._ear, time.monotonic()
        # A device with characteristics is there as long as it is connected, and may say nothing to the air meanwhile.
        if not self._uuids and (ear.sighting is None or now - ear.heard_at > SILENCE_SECONDS):
            raise DeviceAway(f"{self._peer.label} was not heard by {self._peer.adapter} for {SILENCE_SECONDS:g} s")
        data, at = ear.broadcasts.get(source, (b"", 0.0))
        if not at or now - at > SILENCE_SECONDS:
            raise DeviceRefused("it does not broadcast this")
        return data

    async def _write(self, wanted: Property, visitor: Visitor, value: Value) -> None:
        if not isinstance(visitor.source, Characteristic):
            raise DeviceRefused("what is broadcast cannot be written")
        uuid = visitor.source.uuid
        await self._visit.write(uuid, convert.encode(value, visitor, wanted, await self._visit.before(uuid)))

    def _characteristic_news(self, uuid: str) -> None:
        self._tell({Characteristic(uuid)})

    def _broadcast_news(self) -> None:
        self._tell(set(self._ear.broadcasts))

    def _tell(self, sources: set[Characteristic] | set[Broadcast]) -> None:
        for name, visitor in self._visitors.items():
            if visitor.source in sources:
                self._told(name)


class BluetoothFamily:
    """``radio_of``: the adapter of that name. ``meet`` is told of each device before it is served."""

    def __init__(
        self, radio_of: Callable[[str], Radio], *, meet: Callable[[Peer, Mapping[str, Visitor]], None] = lambda peer, visitors: None
    ) -> None:
        self._radio_of = radio_of
        self._meet = meet
        self._loop = EventLoop()
        self._lock = threading.Lock()
        self._stations: dict[str, Station] = {}

    def serves(self, protocol: str) -> bool:
        return protocol == PROTOCOL

    def driver_for(self, device: Device) -> tuple[BluetoothDriver, tuple[Property, ...], tuple[str, ...]]:
        peer = peer_of(device)
        visitors: dict[str, Visitor] = {}
        problems: list[str] = []
        for wanted in device.properties:
            try:
                visitors[wanted.name] = visitor_of(wanted)
            except ProfileError as fault:
                problems.append(str(fault))
        self._meet(peer, visitors)
        reachable = tuple(wanted for wanted in device.properties if wanted.name in visitors)
        return BluetoothDriver(peer, visitors, self._loop, lambda: self._station(peer.adapter)), reachable, tuple(problems)

    def _station(self, adapter: str) -> Station:
        with self._lock:
            if adapter not in self._stations:
                self._stations[adapter] = Station(self._radio_of(adapter))
            return self._stations[adapter]
