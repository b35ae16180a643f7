"""Many simulated nodes in one process: real mutual TLS, upgrade, inventory, keepalives and acknowledgements, and nothing behind them.

    python -m tests.fakes.fleet --hub PORT --authority FILE --nodes PREFIX:COUNT [--tell] [--flood]

``FILE`` has the CA's certificate and key (JSON, base64 of DER), with which every node's certificate is signed here; they share one key.

Talks with who started it in JSON lines. On stdout ``{"connected": N}``; for each line ``wait N`` on stdin, once N messages were stored
and acknowledged, ``{"stored": N}``; with ``--tell`` each message as ``{"node", "resource", "version"}``; ``{"lost": N}`` says how many
connections ended. With ``--flood`` each node asks without end for what is not its own, as fast as the hub reads. All lines have ``at``,
monotonic seconds: the same clock for every process of the machine. Ends when stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
import ssl
import struct
import sys
import tempfile
import time
import uuid
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cloudcore.pki.authority import Authority
from cloudcore.pki.certificates import Signer
from supervision.loops import new_event_loop
from viaduct.handshake import events_path

_KEEPALIVE_SECONDS = 15.0
_AT_ONCE = 64
_TEXT, _CLOSE = 0x1, 0x8
_NO_MASK = b"\0\0\0\0"


class Fleet:
    """What all nodes share."""

    def __init__(self, hub: int, authority: Path, *, tell: bool) -> None:
        papers = json.loads(authority.read_text())
        self._authority = Authority(Signer(base64.b64decode(papers["certificate"]), base64.b64decode(papers["key"])))
        self._hub = hub
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(self._key, hashes.SHA256())
        self._tell = tell
        self._waits: deque[int] = deque()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.nodes: list[Node] = []
        self.stored = 0
        self.lost = 0

    async def connect(self, names: list[str]) -> None:
        await asyncio.gather(*map(self._connect, names))
        say(connected=len(self.nodes))

    async def _connect(self, name: str) -> None:
        async with self._room:
            loop = asyncio.get_running_loop()
            node = Node(self, name)
            await loop.create_connection(lambda: node, "127.0.0.1", self._hub, ssl=self._context(name), server_hostname="127.0.0.1")
            await node.upgraded
            self.nodes.append(node)

    async def keep_alive(self) -> None:
        while True:
            began = time.monotonic()
            for number, node in enumerate(list(self.nodes)):
                node.say("node", "keepalive", "websocket", '"ping"')
                ahead = (number + 1) / max(1, len(self.nodes)) * _KEEPALIVE_SECONDS - (time.monotonic() - began)
                if ahead > 0.05:
                    await asyncio.sleep(ahead)
            await asyncio.sleep(max(0.1, _KEEPALIVE_SECONDS - (time.monotonic() - began)))

    def wait(self, count: int) -> None:
        self._waits.append(count)
        self._answer()

    def took(self, node: str, path: str, version: str) -> None:
        self.stored += 1
        if self._tell:
            say(node=node, resource=path, version=version)
        self._answer()

    def ended(self) -> None:
        self.lost += 1
        say(lost=self.lost)

    def _answer(self) -> None:
        while self._waits and self.stored >= self._waits[0]:
            say(stored=self._waits.popleft())

    def _context(self, name: str) -> ssl.SSLContext:
        certificate = self._authority.sign_node(
            self._request.public_bytes(serialization.Encoding.DER), name, now=time.time(), lifetime=timedelta(days=1)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._authority.certificate)
        key = self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with tempfile.NamedTemporaryFile() as file:
            file.write(key + ssl.DER_cert_to_PEM_cert(certificate).encode())
            file.flush()
            context.load_cert_chain(file.name)
        return context


class Node(asyncio.Protocol):
    """One board. Masks its frames with zeros, which is a mask like any other and costs nothing."""

    __slots__ = ("_buffer", "_fleet", "_open", "_room", "_transport", "name", "upgraded")

    def __init__(self, fleet: Fleet, name: str) -> None:
        self._fleet = fleet
        self.name = name
        self._buffer = b""
        self._open = False
        self._room = asyncio.Event()
        self._room.set()
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        lines = (
            f"GET {events_path('project', self.name)} HTTP/1.1",
            "Host: hub",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"node_id: {self.name}",
            "project_id: project",
            "ConnectionUse: msg",
            "Bramble-Delivery: ledger, plain",
        )
        transport.write("\r\n".join((*lines, "", "")).encode())

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._open and not self._upgrade():
            return
        while (frame := self._frame()) is not None:
            kind, payload = frame
            if kind == _TEXT:
                self._take(json.loads(payload))
            elif kind == _CLOSE:
                self._transport.close()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    async def flood(self) -> None:
        while True:
            await self._room.wait()
            for _ in range(64):
                self.say("default/secret/anothers", "query", "edged", "null")
            await asyncio.sleep(0)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.upgraded.done():
            self.upgraded.set_exception(exc or ConnectionError(f"node {self.name}: the hub hung up"))
        else:
            self._fleet.ended()

    def say(self, path: str, operation: str, source: str, content: str, parent: str = "") -> None:
        parent_field = f'"parent_msg_id":"{parent}",' if parent else ""
        header = f'{{"msg_id":"{uuid.uuid4()}",{parent_field}"timestamp":{int(time.time() * 1000)}}}'
        route = f'{{"source":"{source}","group":"resource","operation":"{operation}","resource":"{path}"}}'
        self._send(f'{{"header":{header},"route":{route},"content":{content}}}'.encode())

    def _upgrade(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        status = head.split(b"\r\n", 1)[0]
        if b" 101 " not in status:
            self.upgraded.set_exception(ConnectionError(f"node {self.name}: {status.decode()} {rest[:200]!r}"))
            return False
        self._buffer, self._open = rest, True
        self.say("inventory", "inventory", "edgehub", '{"objects":[]}')
        self.say("node", "keepalive", "websocket", '"ping"')
        self.upgraded.set_result(None)
        return True

    def _take(self, message: dict[str, Any]) -> None:
        route = message["route"]
        if route["operation"] in ("response", "error"):
            return
        self.say(route["resource"], "response", route["source"], '"OK"', message["header"]["msg_id"])
        self._fleet.took(self.name, route["resource"], message["header"].get("resourceversion", ""))

    def _frame(self) -> tuple[int, bytes] | None:
        """The next whole frame of the buffer; the hub sends each message in one."""
        data = self._buffer
        if len(data) < 2:
            return None
        size, start = data[1] & 0x7F, 2
        if size >= 126:
            layout, start = (">H", 4) if size == 126 else (">Q", 10)
            if len(data) < start:
                return None
            (size,) = struct.unpack(layout, data[2:start])
        if len(data) < start + size:
            return None
        self._buffer = data[start + size :]
        return data[0] & 0x0F, data[start : start + size]

    def _send(self, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack(">BB", 0x81, 0x80 | size)
        elif size < 65536:
            head = struct.pack(">BBH", 0x81, 0x80 | 126, size)
        else:
            head = struct.pack(">BBQ", 0x81, 0x80 | 127, size)
        self._transport.write(head + _NO_MASK + payload)


def say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values | {"at": time.monotonic()}) + "\n")
    sys.stdout.flush()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hub", type=int, required=True)
    parser.add_argument("--authority", type=Path, required=True)
    parser.add_argument("--nodes", required=True, metavar="PREFIX:COUNT")
    parser.add_argument("--tell", action="store_true")
    parser.add_argument("--flood", action="store_true")
    arguments = parser.parse_args()
    prefix, _, count = arguments.nodes.partition(":")
    fleet = Fleet(arguments.hub, arguments.authority, tell=arguments.tell)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    tasks = [asyncio.create_task(fleet.keep_alive())]
    await fleet.connect([f"{prefix}{number}" for number in range(int(count))])
    tasks += [asyncio.create_task(node.flood()) for node in fleet.nodes if arguments.flood]
    while line := (await commands.readline()).decode().split():
        fleet.wait(int(line[1]))
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
