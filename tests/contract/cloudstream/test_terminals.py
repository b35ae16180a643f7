"""Exec, attach and port-forward through cloudstub's proxy: websockets in each of their forms, and SPDY spoken by hand."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from cloudcore.cloudstream import spdy
from tests.contract.cloudstream.ground import Ground, ground
from tests.fakes.edge import runs, until

PODS = "/api/v1/namespaces/default/pods"
CAT = [("command", "cat"), ("stdin", "1"), ("stdout", "1"), ("stderr", "1")]
FAIL = [("command", word) for word in ("sh", "-c", "cat; echo no >&2; exit 7")] + CAT[1:]


@asynccontextmanager
async def socket(it: Ground, path: str, query: list[tuple[str, str]], *protocols: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Authorization": f"Bearer {it.world.stub.token}"}
    url = it.world.stub.url + path
    async with it.session.ws_connect(url, params=query, headers=headers, protocols=protocols, max_msg_size=0) as websocket:
        yield websocket


async def said(websocket: aiohttp.ClientWebSocketResponse) -> dict[int, bytes]:
    """What came on each channel until the end."""
    found: dict[int, bytes] = {}
    async for message in websocket:
        data = message.data
        channel, part = (data[0], data[1:]) if isinstance(data, bytes) else (int(data[0]), base64.b64decode(data[1:]))
        found[channel] = found.get(channel, b"") + part
    return found


@runs
async def test_version_5_closes_the_input_and_hears_the_exit_code() -> None:
    async with ground() as it, socket(it, f"{PODS}/web/exec", FAIL, "v5.channel.k8s.io", "v4.channel.k8s.io") as websocket:
        assert websocket.protocol == "v5.channel.k8s.io"
        await websocket.send_bytes(b"\x00some input")
        await websocket.send_bytes(b"\xff\x00")
        found = await said(websocket)
        assert (found[1], found[2]) == (b"some input", b"no\n")
        status = json.loads(found[3])
        assert (status["reason"], status["details"]["causes"]) == ("NonZeroExitCode", [{"reason": "ExitCode", "message": "7"}])


@runs
async def test_browsers_speak_base64() -> None:
    query = [("command", "sh"), ("command", "-c"), ("command", "read x; echo got $x"), *CAT[1:]]
    async with ground() as it, socket(it, f"{PODS}/web/exec", query, "v4.base64.channel.k8s.io") as websocket:
        await websocket.send_str("0" + base64.b64encode(b"word\n").decode())
        found = await said(websocket)
        assert (found[1], json.loads(found[3])) == (b"got word\n", {"metadata": {}, "status": "Success"})


@pytest.mark.parametrize("message", [b"\x00x", "0%%%", "x", "ü"])
def test_a_message_of_no_channel_ends_the_terminal_and_nothing_else(message: str | bytes) -> None:
    @runs
    async def test() -> None:
        async with ground() as it:
            async with socket(it, f"{PODS}/web/exec", CAT, "v4.base64.channel.k8s.io") as websocket:
                await (websocket.send_bytes(message) if isinstance(message, bytes) else websocket.send_str(message))
                await said(websocket)
            await until(lambda: not it.board.work)
            assert (await it.kubectl(f"{PODS}/web/log?tailLines=1")) == (200, "line 9\n")

    test()


@runs
async def test_a_terminal_whose_board_goes_is_told_so() -> None:
    async with ground() as it, socket(it, f"{PODS}/web/exec", CAT, "v4.channel.k8s.io") as websocket:
        await until(lambda: it.board.work)
        assert it.board.websocket is not None
        await it.board.websocket.close()
        status = json.loads((await said(websocket))[3])
        assert (status["status"], status["message"]) == ("Failure", "the connection to node edge1 broke")


@runs
async def test_a_client_that_hangs_up_ends_the_command() -> None:
    async with ground() as it:
        async with socket(it, f"{PODS}/web/exec", CAT, "v4.channel.k8s.io"):
            await until(lambda: it.board.work)
        await until(lambda: not it.board.work)


class Spdy:
    """A client as kubectl is one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.codec = spdy.Codec()
        self.heard: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.pongs: list[int] = []

    def open(self, number: int, **headers: str) -> None:
        self.writer.write(self.codec.open(number, headers))

    async def listen_until(self, done: Any) -> None:
        async with asyncio.timeout(10):
            while not done():
                raw = await self._reader.read(65536)
                assert raw, "the connection ended"
                for frame in self.codec.feed(raw):
                    if isinstance(frame, spdy.Bytes):
                        self.heard[frame.stream] = self.heard.get(frame.stream, b"") + frame.data
                        self.ended |= {frame.stream} if frame.fin else set()
                    elif isinstance(frame, spdy.Ping):
                        self.pongs.append(frame.number)


@asynccontextmanager
async def spdy_connection(it: Ground, path: str, protocol: str) -> AsyncIterator[Spdy]:
    context = ssl.create_default_context(cafile=str(it.world.stub.ca_file))
    reader, writer = await asyncio.open_connection("127.0.0.1", it.world.stub.port, ssl=context)
    head = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {it.world.stub.token}",
        "Connection: Upgrade",
        "Upgrade: SPDY/3.1",
        "X-Stream-Protocol-Version: v9.of.something",
        f"X-Stream-Protocol-Version: {protocol}",
    ]
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert answer.startswith("HTTP/1.1 101 "), answer
    assert f"X-Stream-Protocol-Version: {protocol}" in answer
    try:
        yield Spdy(reader, writer)
    finally:
        writer.close()


@runs
async def test_spdy_carries_a_command_with_input_output_and_exit_code() -> None:
    async with ground() as it:
        query = "&".join(f"{name}={value.replace(' ', '+').replace('&', '%26').replace(';', '%3B')}" for name, value in FAIL)
        async with spdy_connection(it, f"{PODS}/web/exec?{query}", "v4.channel.k8s.io") as client:
            for number, kind in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")):
                client.open(number, streamtype=kind)
            client.writer.write(spdy.ping(9) + spdy.data(3, b"some input", fin=True))
            await client.listen_until(lambda: {1, 5, 7} <= client.ended)
            assert (client.heard[5], client.heard[7], client.pongs) == (b"some input", b"no\n", [9])
            assert json.loads(client.heard[1])["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


@runs
async def test_spdy_forwards_ports_side_by_side_and_says_where_nobody_listens() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with ground() as it, server, spdy_connection(it, f"{PODS}/web/portforward", "portforward.k8s.io") as client:
        for pair, wanted in enumerate((port, port, 1)):
            for number, kind in ((4 * pair + 1, "error"), (4 * pair + 3, "data")):
                client.open(number, streamtype=kind, port=str(wanted), requestid=str(pair))
        client.writer.write(spdy.data(7, b"second", fin=True) + spdy.data(3, b"first", fin=True))
        await client.listen_until(lambda: {1, 3, 5, 7, 9, 11} <= client.ended)
        assert (client.heard[3], client.heard[7]) == (b"first", b"second")
        assert b"nobody listens at port 1" in client.heard[9]


@runs
async def test_what_is_no_spdy_ends_its_own_connection_only() -> None:
    async with ground() as it:
        async with spdy_connection(it, f"{PODS}/web/portforward", "portforward.k8s.io") as client:
            client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(AssertionError, match="the connection ended"):
                await client.listen_until(lambda: False)
        assert (await it.kubectl(f"{PODS}/web/log?tailLines=1")) == (200, "line 9\n")


@runs
async def test_spdy_inside_a_websocket_forwards_too() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    async with ground() as it, server, socket(it, f"{PODS}/web/portforward", [], "SPDY/3.1+portforward.k8s.io") as websocket:
        codec = spdy.Codec()
        for number, kind in ((1, "error"), (3, "data")):
            await websocket.send_bytes(codec.open(number, {"streamtype": kind, "port": port, "requestid": "0"}))
        heard = b""
        while heard != b"hello":
            for frame in codec.feed((await websocket.receive(10)).data):
                heard += frame.data if isinstance(frame, spdy.Bytes) and frame.stream == 3 else b""
