"""One adapter, shared by its devices: it listens while one needs it, and connects to one at a time. Runs in the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mappers.bluetooth.address import Peer
from mappers.bluetooth.radio import Link, Radio, Sighting
from mappers.bluetooth.visitors import Broadcast, ManufacturerData, ServiceData
from mappers.sdk.errors import DeviceAway

LOCATE_SECONDS = 10.0
"""Within which a device that is there is heard: the slowest that connect call every few seconds."""

DEAF_SECONDS = 30.0
"""After so long without any device at all, who comes anew makes the adapter listen anew: it or bluetoothd may have been restarted."""


@dataclass(eq=False, slots=True)
class Ear:
    """Who listens for one device. ``broadcasts``: (bytes, when) of the last of each; ``news`` is called when one has changed."""

    peer: Peer
    news: Callable[[], None] = lambda: None
    sighting: Sighting | None = None
    broadcasts: dict[Broadcast, tuple[bytes, float]] = field(default_factory=dict)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    heard_at: float = 0.0

    def forget(self) -> None:
        self.sighting = None
        self.broadcasts.clear()
        self.heard.clear()


class Station:
    def __init__(self, radio: Radio, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._radio = radio
        self._clock = clock
        self._heard_at = 0.0
        self._ears: list[Ear] = []
        self._is_listening = False
        self._listening = asyncio.Lock()
        self._connecting = asyncio.Lock()

    async def lend(self, ear: Ear) -> None:
        """Listen for its device until ``withdraw``. Raises DeviceAway when the adapter cannot."""
        self._ears.append(ear)
        try:
            await self._settle()
        except BaseException:
            await self.withdraw(ear)
            raise

    async def withdraw(self, ear: Ear) -> None:
        """Never fails; may be called twice."""
        if ear in self._ears:
            self._ears.remove(ear)
        if not self._ears:
            await self._settle()

    async def locate(self, peer: Peer) -> Sighting:
        """Raises DeviceAway when it is not heard for a while."""
        ear = Ear(peer)
        await self.lend(ear)
        try:
            async with asyncio.timeout(LOCATE_SECONDS):
                await ear.heard.wait()
        except TimeoutError:
            raise DeviceAway(f"{peer.label} is not heard by {peer.adapter}") from None
        finally:
            await self.withdraw(ear)
        assert ear.sighting is not None
        return ear.sighting

    async def connect(self, peer: Peer, gone: Callable[[], None]) -> Link:
        """Raises DeviceAway."""
        sighting = await self.locate(peer)
        # BlueZ refuses a second connection while one is being made.
        async with self._connecting:
            return await self._radio.connect(sighting, gone)

    async def _settle(self) -> None:
        """Listening costs the air, so only while there is an ear. Raises DeviceAway when the adapter cannot listen."""
        async with self._listening:
            if self._is_listening and (not self._ears or self._clock() - self._heard_at > DEAF_SECONDS):
                self._is_listening = False
                await self._radio.rest()
            if self._ears and not self._is_listening:
                await self._radio.listen(self._take)
                self._is_listening = True
                self._heard_at = self._clock()

    def _take(self, sighting: Sighting) -> None:
        now = self._heard_at = self._clock()
        for ear in tuple(self._ears):
            if ear.peer.is_met(sighting.mac, sighting.name):
                _hand(ear, sighting, now)


def _hand(ear: Ear, sighting: Sighting, now: float) -> None:
    ear.sighting = sighting
    ear.heard_at = now
    said = _broadcasts(sighting)
    is_news = any(key not in ear.broadcasts or ear.broadcasts[key][0] != data for key, data in said.items())
    ear.broadcasts |= {key: (data, now) for key, data in said.items()}
    ear.heard.set()
    if is_news:
        ear.news()


def _broadcasts(sighting: Sighting) -> dict[Broadcast, bytes]:
    services: dict[Broadcast, bytes] = {ServiceData(uuid): data for uuid, data in sighting.service_data.items()}
    return services | {ManufacturerData(company): data for company, data in sighting.manufacturer_data.items()}
