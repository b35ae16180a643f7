"""A CloudHub on a loopback port with controllers that only remember, and an edge that is played by hand over real mutual TLS."""

from __future__ import annotations

import asyncio
import functools
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.service import CloudHub
from cloudcore.pki.authority import Authority
from cloudcore.pki.certificates import Signer, create_authority
from cloudcore.pki.signing import CA_LIFETIME, serial_number, validity
from cloudcore.pki.tls import server_ssl_context
from cloudcore.ports import Holding, Owed
from viaduct.codec import decode, encode
from viaduct.message import Message, acknowledge, new_message

LEDGER = {"Bramble-Delivery": "ledger, plain"}


def runs(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """The async test, run with a limit."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 30))

    return run


async def until(condition: Callable[[], Any], limit: float = 5.0) -> Any:
    """The first true value of ``condition``."""
    ends = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < ends, "the condition never came true"
        await asyncio.sleep(0.005)
    return value


@functools.cache
def authority() -> Authority:
    now = time.time()
    return Authority(Signer(*create_authority("KubeEdge", serial_number(now, 7), validity(now, CA_LIFETIME))))


def certificate_request() -> tuple[bytes, bytes]:
    """A request (DER) and its key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "asked")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return request.public_bytes(serialization.Encoding.DER), pem


def client_context(ca: bytes, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """The TLS context of a board; certificates in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca)
    if certificate:
        with tempfile.NamedTemporaryFile() as file:
            file.write(key + ssl.DER_cert_to_PEM_cert(certificate).encode())
            file.flush()
            context.load_cert_chain(file.name)
    return context


def edge_context(node: str | None, signer: Authority | None = None, *, age: timedelta = timedelta(0)) -> ssl.SSLContext:
    """The TLS context of ``node``, whose certificate is ``age`` old and good for a day; None: without a certificate."""
    if node is None:
        return client_context(authority().certificate)
    request, key = certificate_request()
    signed = (signer or authority()).sign_node(request, node, now=time.time() - age.total_seconds(), lifetime=timedelta(days=1))
    return client_context(authority().certificate, signed, key)


class Controller:
    """An Uplink that remembers. ``answer`` decides what ``take`` gives or raises; ``held`` is what each node is owed."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.taken: list[tuple[str, Message]] = []
        self.changes: list[tuple[str, bool]] = []
        self.held: dict[str, list[Owed]] = {}
        self.answer: Callable[[Message], Awaitable[Message | None]] = self._nothing

    async def _nothing(self, message: Message) -> Message | None:
        return None

    def holdings(self, node: str) -> Iterable[Holding]:
        return [(owed.key, owed.uid, owed.version) for owed in self.held.get(node, ())]

    def owed_one(self, node: str, key: str) -> Owed | None:
        return next((owed for owed in self.held.get(node, ()) if owed.key == key), None)

    def removal(self, node: str, key: str, uid: str) -> Owed | None:
        if key.startswith("device/") != (self.prefix == "device"):
            return None
        return removal(key, uid)

    async def take(self, node: str, message: Message) -> Message | None:
        self.taken.append((node, message))
        return await self.answer(message)

    def node_changed(self, node: str, connected: bool) -> None:
        self.changes.append((node, connected))


class Record:
    """A DeliveryRecord that remembers."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, str]] = []
        self.recorded: dict[str, tuple[str, str]] = {}

    def delivered(self, node: str, owed: Owed) -> None:
        self.written.append((node, owed.key, owed.version))

    def known(self, node: str) -> dict[str, tuple[str, str]]:
        return dict(self.recorded)


def pod(name: str, version: int, uid: str = "u1", operation: str = "insert", content: Any = None) -> Owed:
    key = f"default/pod/{name}"
    message = new_message(
        source="edgecontroller",
        group="resource",
        operation=operation,
        resource=key,
        now_ms=1,
        content=content or {"metadata": {"name": name, "uid": uid, "resourceVersion": str(version)}},
        resource_version=str(version),
    )
    return Owed(key, uid, str(version), message, removal=operation == "delete")


def removal(key: str, uid: str) -> Owed:
    twin = key.startswith("device/")
    message = new_message(
        source="devicecontroller" if twin else "edgecontroller",
        group="twin" if twin else "resource",
        operation="update" if twin else "delete",
        resource="membership" if twin else key,
        now_ms=1,
        content={"removed_devices": [{"id": key[7:], "uid": uid}]} if twin else {"metadata": {"uid": uid}},
    )
    return Owed(key, uid, "", message, removal=True)


def report(resource: str, *, operation: str = "update", source: str = "edged", content: Any = None, group: str = "meta") -> Message:
    return new_message(source=source, group=group, operation=operation, resource=resource, now_ms=1, content=content)


def inventory(*objects: tuple[str, str, str]) -> Message:
    content = {"objects": [{"key": key, "uid": uid, "version": version} for key, uid, version in objects]}
    return report("inventory", operation="inventory", source="edgehub", group="resource", content=content)


class Edge:
    """One websocket of a node, played by hand."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, message: Message) -> Message:
        await self.socket.send_str(encode(message))
        return message

    async def hear(self, limit: float = 5.0) -> Message:
        frame = await self.socket.receive(limit)
        assert frame.type is aiohttp.WSMsgType.TEXT, f"no message but {frame.type!r} {frame.data!r} {frame.extra!r}"
        return decode(frame.data)

    async def hears_nothing(self, seconds: float = 0.15) -> None:
        """Silence can only be heard by listening for a while."""
        try:
            frame = await self.socket.receive(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"heard {frame.data!r}")

    async def acknowledge(self, message: Message) -> None:
        await self.say(acknowledge(message, now_ms=1))

    async def hear_close(self, limit: float = 5.0) -> tuple[int | None, str]:
        """Close code and reason, whatever is said before."""
        while True:
            frame = await self.socket.receive(limit)
            if frame.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR):
                return (frame.data if isinstance(frame.data, int) else self.socket.close_code), str(frame.extra or "")


class Site:
    """The hub and all around it."""

    def __init__(self, **settings: Any) -> None:
        self.pods = Controller("pod")
        self.devices = Controller("device")
        self.record = Record()
        self.hub = CloudHub(**settings)
        self.may_read: Callable[[str, str], bool] = lambda node, resource: resource == "default/configmap/web"
        self.hub.introduce(
            {Target.EDGE: self.pods, Target.DEVICE: self.devices},
            record=self.record,
            may_read=lambda node, resource: self.may_read(node, resource),
        )
        self.port = 0
        self._clients: list[aiohttp.ClientSession] = []

    async def dial(self, node: str, *, headers: dict[str, str] | None = None, context: ssl.SSLContext | None = None) -> Edge:
        """Connect as a KubeEdge edge would; ``headers`` replace and add."""
        client = aiohttp.ClientSession()
        self._clients.append(client)
        socket = await client.ws_connect(
            f"https://127.0.0.1:{self.port}/project/{node}/events",
            ssl=context or edge_context(node),
            headers={"node_id": node, "project_id": "project", "ConnectionUse": "msg"} | (headers or {}),
            max_msg_size=0,
        )
        return Edge(socket)

    async def connect(self, node: str = "edge1", *held: tuple[str, str, str]) -> Edge:
        """A Bramble edge that holds ``held``."""
        edge = await self.dial(node, headers=LEDGER)
        await edge.say(inventory(*held))
        return edge

    async def close(self) -> None:
        await self.hub.stop()
        for client in self._clients:
            await client.close()


@asynccontextmanager
async def site(**settings: Any) -> Any:
    made = Site(**settings)
    context = server_ssl_context(authority(), ["127.0.0.1"], client_required=True, now=time.time())
    made.port = await made.hub.listen("127.0.0.1", 0, context)
    try:
        yield made
    finally:
        await made.close()
