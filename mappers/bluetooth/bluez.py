"""The door to bleak: an adapter as BlueZ offers it over D-Bus.

bleak is imported with the first use: a machine without it, or without Bluetooth, can still be told so.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mappers.bluetooth.radio import Abilities, Link, Sighting
from mappers.sdk.errors import DeviceAway, DeviceRefused, MapperError
from viaduct.faults import TIMEOUT

CONNECT_SECONDS = 20.0
ANSWER_SECONDS = 10.0

_GENERIC_ATTRIBUTE = "00001801-0000-1000-8000-00805f9b34fb"
_GENERIC_ACCESS = "00001800-0000-1000-8000-00805f9b34fb"

# It warns of what is told to us as well.
logging.getLogger("bleak").setLevel(logging.ERROR)


def require_bleak() -> None:
    """Raises MapperError where it is not installed, without the price of importing it."""
    if importlib.util.find_spec("bleak") is None:
        raise MapperError("protocol 'bluetooth' needs the library bleak, which is not installed: pip install 'bleak>=3.1,<4'")


class BluezRadio:
    """``adapter``: ``hci0`` and so on."""

    def __init__(self, adapter: str) -> None:
        self._adapter = adapter
        self._scanner: Any = None

    async def listen(self, heard: Callable[[Sighting], None]) -> None:
        import bleak

        async with _translated(f"adapter {self._adapter}"):
            scanner = bleak.BleakScanner(
                lambda device, said: heard(_sighting(device, said)),
                bluez={"adapter": self._adapter},
            )
            await scanner.start()
            self._scanner = scanner
            # A device that is connected, to a mapper that was killed perhaps, does not call.
            adapter = await bleak.BleakAdapter.get(bluez={"adapter": self._adapter})
            for device in await adapter.get_connected_devices([_GENERIC_ATTRIBUTE, _GENERIC_ACCESS]):
                heard(Sighting(device.address, device.name or "", handle=device))

    async def rest(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is None:
            return
        try:
            async with _translated(f"adapter {self._adapter}"):
                await scanner.stop()
        except DeviceAway:
            # The adapter was pulled out: it listens to nothing any more.
            pass

    async def connect(self, sighting: Sighting, gone: Callable[[], None]) -> Link:
        import bleak

        async with _translated(sighting.mac):
            client = bleak.BleakClient(sighting.handle, disconnected_callback=lambda _: gone(), timeout=CONNECT_SECONDS)
            await client.connect()
        return BluezLink(sighting.mac, client)


class BluezLink:
    def __init__(self, mac: str, client: Any) -> None:
        self._mac = mac
        self._client = client
        self._found = {item.uuid.lower(): item for service in client.services for item in service.characteristics}

    def abilities(self) -> Mapping[str, Abilities]:
        return {uuid: _abilities(item.properties) for uuid, item in self._found.items()}

    async def read(self, uuid: str) -> bytes:
        async with _translated(self._mac, self._client):
            return bytes(await asyncio.wait_for(self._client.read_gatt_char(self._found[uuid]), ANSWER_SECONDS))

    async def write(self, uuid: str, data: bytes, *, answered: bool) -> None:
        async with _translated(self._mac, self._client):
            await asyncio.wait_for(self._client.write_gatt_char(self._found[uuid], data, response=answered), ANSWER_SECONDS)

    async def subscribe(self, uuid: str, heard: Callable[[bytes], None]) -> None:
        async with _translated(self._mac, self._client):
            await asyncio.wait_for(self._client.start_notify(self._found[uuid], lambda _, data: heard(bytes(data))), ANSWER_SECONDS)

    async def close(self) -> None:
        try:
            async with _translated(self._mac):
                await self._client.disconnect()
        except (DeviceAway, DeviceRefused):
            # It is gone already.
            pass


@asynccontextmanager
async def _translated(who: str, client: Any = None) -> AsyncIterator[None]:
    """bleak's and D-Bus' errors to ours. What fails while ``client`` stays connected was refused."""
    from bleak.exc import BleakDBusError, BleakGATTProtocolError

    try:
        yield
    except TimeoutError as exc:
        raise DeviceAway(f"{who}: no answer in time", code=TIMEOUT) from exc
    except FileNotFoundError as exc:
        raise DeviceAway(f"{who}: there is no D-Bus to reach BlueZ by: {exc.strerror}") from exc
    except BleakGATTProtocolError as exc:
        raise DeviceRefused(f"{who}: {exc}") from exc
    except BleakDBusError as exc:
        is_refusal = client is not None and client.is_connected
        raise (DeviceRefused if is_refusal else DeviceAway)(f"{who}: {exc}") from exc
    except Exception as exc:
        # bleak lets through what D-Bus and its own assertions raise, which is of many kinds, when a device or the bus goes meanwhile.
        raise DeviceAway(f"{who}: {exc or type(exc).__name__}") from exc


def _sighting(device: Any, said: Any) -> Sighting:
    return Sighting(
        device.address,
        said.local_name or device.name or "",
        {uuid.lower(): bytes(data) for uuid, data in said.service_data.items()},
        {company: bytes(data) for company, data in said.manufacturer_data.items()},
        device,
    )


def _abilities(properties: list[str]) -> Abilities:
    return Abilities(
        "read" in properties,
        "write" in properties,
        "write-without-response" in properties,
        "notify" in properties or "indicate" in properties,
    )
