from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mappers.bluetooth.address import Peer
from mappers.bluetooth.radio import Link, Sighting
from mappers.bluetooth.station import DEAF_SECONDS, Ear, Station
from mappers.bluetooth.visitors import ManufacturerData
from mappers.sdk.errors import DeviceAway
from tests.unit.mappers.bluetooth.made import MAC

PEER = Peer("hci0", MAC, "")
OTHER = Peer("hci0", "", "other")


class FakeRadio:
    def __init__(self) -> None:
        self.starts = 0
        self.is_listening = False
        self.is_there = True
        self.heard: Callable[[Sighting], None] = lambda sighting: None

    async def listen(self, heard: Callable[[Sighting], None]) -> None:
        if not self.is_there:
            raise DeviceAway("hci0 is not there")
        self.starts += 1
        self.is_listening, self.heard = True, heard

    async def rest(self) -> None:
        self.is_listening = False

    async def connect(self, sighting: Sighting, gone: Callable[[], None]) -> Link:
        raise DeviceAway("not in this test")


def test_an_adapter_listens_while_there_is_an_ear_and_no_longer() -> None:
    async def run() -> None:
        radio = FakeRadio()
        station = Station(radio)
        first, second = Ear(PEER), Ear(OTHER)
        await station.lend(first)
        await station.lend(second)
        await station.withdraw(first)
        assert (radio.starts, radio.is_listening) == (1, True)
        await station.withdraw(second)
        await station.withdraw(second)
        assert (radio.starts, radio.is_listening) == (1, False)

    asyncio.run(run())


def test_an_ear_hears_its_own_device_and_news_only_when_there_is_some() -> None:
    async def run() -> None:
        radio = FakeRadio()
        news: list[str] = []
        ear = Ear(PEER, lambda: news.append("news"))
        await Station(radio).lend(ear)
        for mac, data in ((MAC, b"1"), (MAC, b"1"), ("00:00:00:00:00:01", b"9"), (MAC, b"2")):
            radio.heard(Sighting(mac, manufacturer_data={1: data}))
        assert (ear.broadcasts[ManufacturerData(1)][0], len(news)) == (b"2", 2)

    asyncio.run(run())


def test_an_adapter_that_hears_nothing_at_all_is_made_to_listen_anew() -> None:
    async def run() -> None:
        now = 0.0
        radio = FakeRadio()
        station = Station(radio, clock=lambda: now)
        await station.lend(Ear(OTHER))
        now = DEAF_SECONDS
        await station.lend(Ear(PEER))
        assert radio.starts == 1
        now = DEAF_SECONDS + 1
        await station.lend(Ear(PEER))
        assert radio.starts == 2

    asyncio.run(run())


def test_an_adapter_that_is_pulled_out_fails_who_comes_and_nobody_who_leaves() -> None:
    async def run() -> None:
        now = 0.0
        radio = FakeRadio()
        station = Station(radio, clock=lambda: now)
        first, second = Ear(OTHER), Ear(OTHER)
        await station.lend(first)
        await station.lend(second)
        radio.is_there = False
        now = DEAF_SECONDS + 1
        with pytest.raises(DeviceAway):
            await station.lend(Ear(PEER))
        await station.withdraw(first)
        await station.withdraw(second)
        radio.is_there = True
        await station.lend(first)
        assert radio.is_listening

    asyncio.run(run())
