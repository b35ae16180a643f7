"""BlueZ' D-Bus interface over bumble: bleak on one side, a real ATT/GATT stack and virtual controllers on the other.

A Linux kernel without virtual HCI has no adapter for BlueZ, so this speaks in its place: what bleak asks over D-Bus is done by bumble's own
central. It has its own thread and loop. Only what bleak uses is there, and what BlueZ answers is our reading of its documentation.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from bumble.att import ATT_Error, ErrorCode
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"

_SIGNATURES = {"InterfacesAdded": "oa{sa{sv}}", "InterfacesRemoved": "oas", "PropertiesChanged": "sa{sv}as"}
_PROPERTIES = {
    "READ": "read",
    "WRITE": "write",
    "WRITE_WITHOUT_RESPONSE": "write-without-response",
    "NOTIFY": "notify",
    "INDICATE": "indicate",
}


class Air:
    """A link that carries one BlueZ (with its adapters) and any number of peripherals. ``run`` does work in its thread."""

    def __init__(self, bus_address: str, *adapters: str) -> None:
        self.link = LocalLink()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="air", daemon=True)
        self._thread.start()
        self.bluez = Bluez()
        self.run(self.bluez.start(self.link, bus_address, adapters or ("hci0",)))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def close(self) -> None:
        self.run(self.bluez.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


class Peripheral:
    """A device of bumble's. ``held``: the value of each characteristic, which is read and written over the air."""

    def __init__(self, air: Air, mac: str, name: str) -> None:
        self._air = air
        self.held: dict[str, bytes] = {}
        self.refuses: set[str] = set()
        self._name = name
        self._device: Device = air.run(self._made(air.link, mac))
        self._found: dict[str, Characteristic[bytes]] = {}

    def offer(self, service: str, **characteristics: tuple[str, bytes]) -> None:
        """Characteristics by (name: 'uuid' with ``_`` first) (properties such as ``READ|NOTIFY``, value)."""
        made = []
        for key, (properties, value) in characteristics.items():
            uuid = key.removeprefix("_")
            self.held[uuid] = value
            self._found[uuid] = Characteristic(
                uuid,
                Characteristic.Properties.from_string(properties),
                Characteristic.READABLE | Characteristic.WRITEABLE,
                CharacteristicValue(read=lambda _, uuid=uuid: self._give(uuid), write=lambda _, data, uuid=uuid: self._take(uuid, data)),
            )
            made.append(self._found[uuid])
        self._device.add_service(Service(UUID(service), made))

    def switch_on(self, *said: tuple[int, bytes]) -> None:
        """Power on and call; ``said``: further parts of the advertisement."""
        self._air.run(self._switch_on(said))

    def say(self, *said: tuple[int, bytes]) -> None:
        """Call with other data."""
        self._air.run(self._say(said))

    def switch_off(self) -> None:
        """As by a flat battery: the connection ends and nothing is heard any more."""
        self._air.run(self._switch_off())

    def tell(self, uuid: str, value: bytes) -> None:
        self.held[uuid] = value
        self._air.run(self._device.notify_subscribers(self._found[uuid]))

    def _give(self, uuid: str) -> bytes:
        if uuid in self.refuses:
            raise ATT_Error(ErrorCode.INSUFFICIENT_AUTHORIZATION)
        return self.held[uuid]

    def _take(self, uuid: str, data: bytes) -> None:
        self.held[uuid] = data

    async def _made(self, link: LocalLink, mac: str) -> Device:
        controller = Controller(self._name, link=link, public_address=mac)
        return Device(name=self._name, address=Address(mac), host=Host(controller, AsyncPipeSink(controller)))

    async def _switch_on(self, said: tuple[tuple[int, bytes], ...]) -> None:
        await self._device.power_on()
        await self._call(said)

    async def _say(self, said: tuple[tuple[int, bytes], ...]) -> None:
        await self._device.stop_advertising()
        await self._call(said)

    async def _call(self, said: tuple[tuple[int, bytes], ...]) -> None:
        parts = [(AdvertisingData.COMPLETE_LOCAL_NAME, self._name.encode()), *said]
        await self._device.start_advertising(
            advertising_data=bytes(AdvertisingData(parts)),  # type: ignore[arg-type]
            auto_restart=True,
            advertising_interval_min=50,
            advertising_interval_max=50,
        )

    async def _switch_off(self) -> None:
        await self._device.stop_advertising()
        for connection in tuple(self._device.connections.values()):
            await connection.disconnect()
        await self._device.stop_advertising()


class Bluez:
    """``objects``: properties by interface by path, as GetManagedObjects gives them."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Variant]]] = {}
        self.reads = 0
        self._centrals: dict[str, Device] = {}
        self._connections: dict[str, Connection] = {}
        self._found: dict[str, Any] = {}
        self._scanning: set[str] = set()
        self._bus: MessageBus
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, link: LocalLink, bus_address: str, adapters: tuple[str, ...]) -> None:
        for number, adapter in enumerate(adapters):
            path = f"/org/bluez/{adapter}"
            mac = f"C0:00:00:00:00:{number:02X}"
            controller = Controller(adapter, link=link, public_address=mac)
            central = Device(name=adapter, address=Address(mac), host=Host(controller, AsyncPipeSink(controller)))
            central.on("advertisement", lambda heard, path=path: self._hear(path, heard))
            await central.power_on()
            self._centrals[path] = central
            self.objects[path] = {
                ADAPTER: {"Address": Variant("s", mac), "Powered": Variant("b", True), "Discovering": Variant("b", False)}
            }
        self._bus = await MessageBus(bus_address=bus_address).connect()
        self._bus.add_message_handler(self._take)
        await self._bus.request_name("org.bluez")

    async def stop(self) -> None:
        for connection in tuple(self._connections.values()):
            await connection.disconnect()
        for path in tuple(self._scanning):
            await self._centrals[path].stop_scanning()
        self._bus.disconnect()

    # What bleak asks.

    def _take(self, message: Message) -> bool:
        if message.message_type is not MessageType.METHOD_CALL or message.interface == "org.freedesktop.DBus.Peer":
            return False
        task = asyncio.get_running_loop().create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, message: Message) -> None:
        try:
            signature, body = await self._do(message.path or "", message.member or "", message.body)
        except Exception as exc:
            self._bus.send(Message.new_error(message, "org.bluez.Error.Failed", f"{type(exc).__name__} {exc}"))
            return
        self._bus.send(Message.new_method_return(message, signature, body))

    async def _do(self, path: str, member: str, body: list[Any]) -> tuple[str, list[Any]]:
        match member:
            case "GetManagedObjects":
                return "a{oa{sa{sv}}}", [self.objects]
            case "StartDiscovery":
                self._scanning.add(path)
                await self._centrals[path].start_scanning(active=True, filter_duplicates=False)
            case "StopDiscovery":
                self._scanning.discard(path)
                await self._centrals[path].stop_scanning()
            case "Connect":
                await self._connect(path)
            case "Disconnect":
                if path in self._connections:
                    await self._connections[path].disconnect()
            case "ReadValue":
                self.reads += 1
                return "ay", [await self._found[path].read_value()]
            case "WriteValue":
                await self._found[path].write_value(bytes(body[0]), with_response=body[1]["type"].value == "request")
            case "StartNotify":
                await self._found[path].subscribe(lambda data: self._changed(path, CHARACTERISTIC, Value=Variant("ay", bytes(data))))
            case "SetDiscoveryFilter" | "StopNotify":
                pass
            case _:
                raise NotImplementedError(member)
        return "", []

    async def _connect(self, path: str) -> None:
        address = self.objects[path][DEVICE]["Address"].value
        central = self._centrals[path.rpartition("/")[0]]
        connection = await central.connect(Address(address), timeout=5)
        self._connections[path] = connection
        connection.on("disconnection", lambda _: self._gone(path))
        self._changed(path, DEVICE, Connected=Variant("b", True))
        peer = Peer(connection)
        await self._discover(path, peer)
        uuids = [_full(service.uuid) for service in peer.services]
        self._changed(path, DEVICE, UUIDs=Variant("as", uuids), ServicesResolved=Variant("b", True))

    async def _discover(self, path: str, peer: Peer) -> None:
        for service in await peer.discover_services():
            where = f"{path}/service{service.handle:04x}"
            self._add(where, SERVICE, UUID=Variant("s", _full(service.uuid)), Device=Variant("o", path), Primary=Variant("b", True))
            for found in await service.discover_characteristics():
                place = f"{where}/char{found.handle:04x}"
                flags = [word for flag, word in _PROPERTIES.items() if Characteristic.Properties[flag] & found.properties]
                self._found[place] = found
                self._add(
                    place, CHARACTERISTIC, UUID=Variant("s", _full(found.uuid)), Service=Variant("o", where), Flags=Variant("as", flags)
                )

    # What bleak is told.

    def _hear(self, adapter: str, heard: Advertisement) -> None:
        mac = heard.address.to_string(with_type_qualifier=False)
        path = f"{adapter}/dev_{mac.replace(':', '_')}"
        said = _advertised(heard)
        if path in self.objects:
            self._changed(path, DEVICE, RSSI=Variant("n", -50), **said)
        else:
            name = said.get("Name", Variant("s", mac))
            known = {"Connected": False, "ServicesResolved": False, "Paired": False, "Trusted": False, "Blocked": False}
            flags = {key: Variant("b", value) for key, value in known.items()}
            owner = Variant("o", adapter)
            self._add(
                path,
                DEVICE,
                Address=Variant("s", mac),
                Alias=name,
                Adapter=owner,
                UUIDs=Variant("as", []),
                RSSI=Variant("n", -50),
                **flags,
                **said,
            )

    def _gone(self, path: str) -> None:
        self._connections.pop(path, None)
        self._changed(path, DEVICE, Connected=Variant("b", False), ServicesResolved=Variant("b", False))
        for place in [place for place in self.objects if place.startswith(path + "/")]:
            interfaces = list(self.objects.pop(place))
            self._found.pop(place, None)
            self._signal("/", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", [place, interfaces])

    def _add(self, path: str, interface: str, **properties: Variant) -> None:
        self.objects[path] = {interface: properties}
        self._signal("/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", [path, self.objects[path]])

    def _changed(self, path: str, interface: str, **properties: Variant) -> None:
        if path in self.objects:
            self.objects[path][interface] |= properties
            self._signal(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", [interface, properties, []])

    def _signal(self, path: str, interface: str, member: str, body: list[Any]) -> None:
        self._bus.send(
            Message(
                path=path, interface=interface, member=member, signature=_SIGNATURES[member], body=body, message_type=MessageType.SIGNAL
            )
        )


def _advertised(heard: Advertisement) -> dict[str, Variant]:
    services, companies, found = {}, {}, {}
    for kind, data in heard.data.ad_structures:
        if kind == AdvertisingData.COMPLETE_LOCAL_NAME:
            found["Name"] = Variant("s", data.decode())
        elif kind == AdvertisingData.SERVICE_DATA_16_BIT_UUID:
            services[f"0000{data[1]:02x}{data[0]:02x}-0000-1000-8000-00805f9b34fb"] = Variant("ay", data[2:])
        elif kind == AdvertisingData.MANUFACTURER_SPECIFIC_DATA:
            companies[int.from_bytes(data[:2], "little")] = Variant("ay", data[2:])
    if services:
        found["ServiceData"] = Variant("a{sv}", services)
    if companies:
        found["ManufacturerData"] = Variant("a{qv}", companies)
    return found


def _full(uuid: UUID) -> str:
    digits = uuid.to_bytes(force_128=True)[::-1].hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
