"""A board that serves streams (P7.7 to P7.10) with processes of this machine for containers; its links are played over real mutual TLS."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import ssl
import struct
import termios
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.fakes.edge import Edge
from viaduct.codec import decode as message_of
from viaduct.message import error_to
from viaduct.streamrequest import StreamRequest, Verb, parse_request
from viaduct.tunnel import MAX_DATA, WINDOW, Channel, Credit, Data, End, Eof, Frame, Open, Ready, Resize, decode, encode
from viaduct.vocabulary import Operation

_CPU = {"time": "2026-01-01T00:00:00Z", "usageNanoCores": 250_000_000, "usageCoreNanoSeconds": 1_500_000_000}
_MEMORY = {"time": "2026-01-01T00:00:00Z", "workingSetBytes": 10 * 1024 * 1024}
_USE = {"startTime": "2026-01-01T00:00:00Z", "cpu": _CPU, "memory": _MEMORY}
SUMMARY = {
    "node": {"nodeName": "edge1", **_USE},
    "pods": [{"podRef": {"name": "web", "namespace": "default"}, **_USE, "containers": [{"name": "c", **_USE}]}],
}
LOG = [f"2026-01-01T00:00:{second:02}.000000000Z line {second}\n" for second in range(10)]


class StreamBoard:
    """``dials`` counts stream connections. ``answers`` False: it hears a ``connect`` and does nothing."""

    def __init__(self, node: str, edge: Edge, hub_port: int, context: ssl.SSLContext) -> None:
        self.node = node
        self.dials = 0
        self.answers = True
        self.refuses = ""
        self.asked: list[StreamRequest] = []
        self.websocket: aiohttp.ClientWebSocketResponse | None = None
        self._edge = edge
        self._port = hub_port
        self._context = context
        self._client = aiohttp.ClientSession()
        self.work: dict[int, Work] = {}
        self._tasks = [asyncio.create_task(self._listen())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def dial(self) -> aiohttp.ClientWebSocketResponse:
        self.dials += 1
        websocket = await self._client.ws_connect(
            f"https://127.0.0.1:{self._port}/p/{self.node}/streams",
            ssl=self._context,
            headers={"node_id": self.node, "ConnectionUse": "str"},
            max_msg_size=0,
        )
        self.websocket = websocket
        self._tasks.append(asyncio.create_task(self._serve(websocket)))
        return websocket

    async def _listen(self) -> None:
        """The main link: everything is acknowledged."""
        while True:
            frame = await self._edge.socket.receive()
            if frame.type is not aiohttp.WSMsgType.TEXT:
                return
            message = message_of(frame.data)
            if message.route.operation == Operation.CONNECT:
                if self.refuses:
                    said = {"code": 501, "reason": self.refuses, "retry": False}
                    await self._edge.say(error_to(message, said, source="edgestream", now_ms=1))
                elif self.answers:
                    await self.dial()
            elif message.route.operation not in (Operation.RESPONSE, Operation.ERROR):
                await self._edge.acknowledge(message)

    async def _serve(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        async def send(frame: Frame) -> None:
            await websocket.send_bytes(encode(frame))

        async for message in websocket:
            frame = decode(message.data)
            if isinstance(frame, Open):
                request = parse_request(frame.request)
                self.asked.append(request)
                work = self.work[frame.stream] = Work(frame.stream, request, send)
                work.start(lambda number=frame.stream: self.work.pop(number, None))
            elif frame.stream in self.work:
                await self.work[frame.stream].take(frame)
        for work in list(self.work.values()):
            work.stop()


class Work:
    """One stream."""

    def __init__(self, number: int, request: StreamRequest, send: Any) -> None:
        self.request = request
        self._number = number
        self._send = send
        self.allowance = WINDOW
        self._room = asyncio.Event()
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._terminal = -1
        self._task: asyncio.Task[None] | None = None

    def start(self, done: Callable[[], Any]) -> None:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda task: done())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def take(self, frame: Frame) -> None:
        match frame:
            case Data(data=data):
                self._input.put_nowait(data)
            case Eof():
                self._input.put_nowait(None)
            case Credit(count=count):
                self.allowance += count
                self._room.set()
            case Resize(width=width, height=height) if self._terminal >= 0:
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            case End():
                self.stop()

    async def _run(self) -> None:
        match self.request.verb:
            case Verb.LOGS:
                await self._logs()
            case Verb.PORTFORWARD:
                await self._forward()
            case Verb.STATS:
                await self._ready()
                await self._data(Channel.STDOUT, json.dumps(SUMMARY).encode())
                await self._end()
            case Verb.ATTACH:
                await self._process(["cat"])
            case Verb.EXEC:
                await self._process(list(self.request.command))

    async def _ready(self) -> None:
        await self._send(Ready(self._number))

    async def _end(self, code: int = 200, reason: str = "", exit_code: int | None = None) -> None:
        await self._send(End(self._number, code, reason, exit_code))

    async def _data(self, channel: Channel, data: bytes) -> None:
        for start in range(0, len(data), MAX_DATA):
            part = data[start : start + MAX_DATA]
            while self.allowance < len(part):
                self._room.clear()
                await self._room.wait()
            self.allowance -= len(part)
            await self._send(Data(self._number, channel, part))

    async def _logs(self) -> None:
        request = self.request
        if request.container == "broken":
            await self._end(404, "container broken has no log")
            return
        await self._ready()
        lines = LOG if request.tail < 0 else LOG[len(LOG) - request.tail :]
        if request.previous:
            lines = ["2025-12-31T00:00:00Z of the one before\n"]
        if not request.timestamps:
            lines = [line.partition(" ")[2] for line in lines]
        await self._data(Channel.STDOUT, "".join(lines).encode())
        number = 0
        while request.follow:
            await self._data(Channel.STDERR if number % 2 else Channel.STDOUT, f"later {number}\n".encode())
            number += 1
            await asyncio.sleep(0.05)
        await self._end()

    async def _forward(self) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.request.port)
        except OSError as exc:
            await self._end(502, f"nobody listens at port {self.request.port}: {exc.strerror}")
            return
        await self._ready()
        feeding = asyncio.create_task(self._feed(writer))
        try:
            while data := await reader.read(MAX_DATA):
                await self._data(Channel.STDOUT, data)
            await self._send(Eof(self._number, Channel.STDOUT))
            await self._end()
        finally:
            feeding.cancel()
            writer.transport.abort()

    async def _feed(self, writer: Any) -> None:
        while (data := await self._input.get()) is not None:
            writer.write(data)
            await writer.drain()
            await self._send(Credit(self._number, len(data)))
        writer.write_eof()

    async def _process(self, command: list[str]) -> None:
        if self.request.tty:
            await self._on_terminal(command)
            return
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as exc:
            await self._end(500, f"cannot run {command[0]}: {exc.strerror}")
            return
        await self._ready()
        assert process.stdin and process.stdout and process.stderr
        feeding = asyncio.create_task(self._feed_process(process.stdin))
        try:
            await asyncio.gather(self._show(Channel.STDOUT, process.stdout), self._show(Channel.STDERR, process.stderr))
            await self._end(exit_code=await process.wait())
        finally:
            feeding.cancel()
            if process.returncode is None:
                process.kill()
                await asyncio.gather(process.stdout.read(), process.stderr.read())  # a full pipe would keep it from being over
                await process.wait()

    async def _feed_process(self, stdin: asyncio.StreamWriter) -> None:
        if not self.request.stdin:
            stdin.close()
            return
        while (data := await self._input.get()) is not None:
            try:
                stdin.write(data)
                await stdin.drain()
            except OSError:
                pass
            await self._send(Credit(self._number, len(data)))
        stdin.close()

    async def _show(self, channel: Channel, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(MAX_DATA):
            await self._data(channel, data)

    async def _on_terminal(self, command: list[str]) -> None:
        self._terminal, inner = pty.openpty()
        process = await asyncio.create_subprocess_exec(*command, stdin=inner, stdout=inner, stderr=inner, start_new_session=True)
        os.close(inner)
        await self._ready()
        feeding = asyncio.create_task(self._feed_terminal())
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.run_in_executor(None, self._read_terminal):
                await self._data(Channel.STDOUT, data)
            await self._end(exit_code=await process.wait())
        finally:
            feeding.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(self._terminal)
            self._terminal = -1

    async def _feed_terminal(self) -> None:
        while (data := await self._input.get()) is not None:
            os.write(self._terminal, data)
            await self._send(Credit(self._number, len(data)))

    def _read_terminal(self) -> bytes:
        try:
            return os.read(self._terminal, MAX_DATA)
        except OSError:
            return b""
