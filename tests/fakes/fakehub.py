"""A hub on loopback with real mutual TLS, in a thread of its own: records what a board says, says what a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from viaduct import acknowledgements
from viaduct.codec import decode, encode
from viaduct.handshake import HEADER_MODES, HEADER_PING
from viaduct.message import Message, acknowledge, new_message
from viaduct.vocabulary import DELIVERED

T = TypeVar("T")
Answer = Callable[[Message], list[Message]]


@dataclass(frozen=True)
class Papers:
    """PEM files of one CA, a server on 127.0.0.1 and a node ``edge1``."""

    directory: Path

    def __getattr__(self, name: str) -> Path:
        return self.directory / f"{name}.pem"


def make_papers(
    directory: Path,
    *,
    node_days: tuple[int, int] = (-1, 30),
    server_address: str = "127.0.0.1",
    server_name: str = "",
    server_for: str = "",
    authority: Papers | None = None,
) -> Papers:
    """``node_days``: validity of the node's certificate, in days from now. ``server_for``: the purpose of the hub's certificate, where it
    shall name one. ``authority``: papers whose CA signs these as well."""
    ca_key, ca = _certificate("test CA", None, None, (-2, 60), authority=True)
    if authority is not None:
        ca = x509.load_pem_x509_certificate(authority.ca.read_bytes())
        ca_key = serialization.load_pem_private_key(authority.ca_key.read_bytes(), None)
    server_key, server = _certificate("hub", ca, ca_key, (-1, 30), address=server_address, dns=server_name, purpose=server_for)
    node_key, node = _certificate("system:node:edge1", ca, ca_key, node_days)
    papers = Papers(directory)
    for name, part in (("ca", ca), ("server", server), ("node", node)):
        (directory / f"{name}.pem").write_bytes(part.public_bytes(serialization.Encoding.PEM))
    for name, key in (("ca_key", ca_key), ("server_key", server_key), ("node_key", node_key)):
        (directory / f"{name}.pem").write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
    return papers


class FakeHub:
    """``answer`` gives what to say to each message of the board; by default everything but keepalives is acknowledged."""

    def __init__(self, papers: Papers, *, mode: str = "ledger", status: int = 101, answer: Answer | None = None) -> None:
        self.papers = papers
        self.mode = mode
        self.status = status
        self.answer: Answer = answer or acknowledge_all
        self.received: list[Message] = []
        self.connections = 0
        self.pings = 0
        self.agrees_to_pings = True
        self.deaf = False
        """Whether pings and messages find nobody, though the connection stands."""
        self.port = 0
        self._sockets: list[web.WebSocketResponse] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    def start(self) -> None:
        """Listen, on the port of before where there was one."""
        self._do(self._listen())

    def stop(self) -> None:
        """As if the machine vanished from the network, politely: connections end, the port is closed."""
        self._do(self._end())

    def reset(self) -> None:
        """As if the network cut every connection."""
        self._do(self._abort())

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def say(self, message: Message) -> None:
        self.say_text(encode(message))

    def say_text(self, text: str) -> None:
        self._do(self._sockets[-1].send_str(text))

    def say_bytes(self, data: bytes) -> None:
        self._do(self._sockets[-1].send_bytes(data))

    def about(self, resource: str) -> list[Message]:
        return [message for message in list(self.received) if message.route.resource == resource]

    def acknowledged(self) -> set[str]:
        """Ids of what the board has acknowledged."""
        said = list(self.received)
        alone = {message.header.parent_msg_id for message in said if message.content == DELIVERED}
        return alone.union(*(acknowledgements.named_in(message) for message in said if acknowledgements.names_many(message)))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.papers.server, self.papers.server_key)
        context.load_verify_locations(self.papers.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _end(self) -> None:
        for connected in self._sockets:
            await connected.close(code=1001)
        self._sockets.clear()
        await self._runner.cleanup()

    async def _abort(self) -> None:
        for connected in self._sockets:
            transport = connected._req.transport
            if transport is not None:
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()
        self._sockets.clear()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.status != 101:
            return web.Response(status=self.status, text="this node is not welcome")
        connected = web.WebSocketResponse(max_msg_size=0, autoping=False)
        if self.mode:
            connected.headers[HEADER_MODES] = self.mode
        if self.mode == "ledger" and self.agrees_to_pings:
            connected.headers[HEADER_PING] = request.headers.get(HEADER_PING, "180")
        await connected.prepare(request)
        self.connections += 1
        self._sockets.append(connected)
        async for frame in connected:
            if self.deaf:
                continue
            if frame.type is WSMsgType.PING:
                self.pings += 1
                await connected.pong(frame.data)
            elif frame.type is WSMsgType.TEXT:
                message = decode(frame.data)
                self.received.append(message)
                for reply in self.answer(message):
                    with contextlib.suppress(ConnectionError):
                        await connected.send_str(encode(reply))
        return connected


def acknowledge_all(message: Message) -> list[Message]:
    return [] if message.route.operation in ("keepalive", "response", "inventory", "error") else [acknowledge(message, now_ms=1)]


def object_message(key: str, uid: str, version: int, *, operation: str = "update", **content: Any) -> Message:
    """An object as EdgeController sends it."""
    namespace, _, name = key.split("/")
    body = {"metadata": {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(version)}, **content}
    return new_message(
        source="edgecontroller",
        group="resource",
        operation=operation,
        resource=key,
        now_ms=1,
        content=body,
        resource_version=str(version),
    )


def wait_until(claim: Callable[[], Any], timeout: float = 5.0) -> Any:
    """What ``claim`` gives as soon as it is true; fails after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = claim()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not true within {timeout} s")


def _certificate(
    name: str,
    issuer: Any,
    issuer_key: Any,
    days: tuple[int, int],
    *,
    authority: bool = False,
    address: str = "",
    dns: str = "",
    purpose: str = "",
) -> tuple[Any, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    names = [*([x509.IPAddress(ipaddress.ip_address(address))] if address else []), *([x509.DNSName(dns)] if dns else [])]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if purpose:
        use = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}[purpose]
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    return key, builder.sign(issuer_key or key, hashes.SHA256())
