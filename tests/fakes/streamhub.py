"""The cloud's end of a stream connection, on real mutual TLS: records frames, says what a test wants (P7.7)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from aiohttp import WSMsgType, web

from tests.fakes.fakehub import FakeHub, Papers, wait_until
from viaduct.tunnel import Data, End, Frame, decode, encode

F = TypeVar("F", bound=Frame)


class StreamHub(FakeHub):
    def __init__(self, papers: Papers) -> None:
        self.frames: list[Frame] = []
        self.requests: list[tuple[str, str]] = []
        self.close_codes: list[int | None] = []
        self.changed = threading.Event()
        super().__init__(papers)

    def tell(self, frame: Frame) -> None:
        self.say_bytes(encode(frame))

    def of(self, kind: type[F], stream: int) -> list[F]:
        return [frame for frame in list(self.frames) if isinstance(frame, kind) and frame.stream == stream]

    def output(self, stream: int) -> bytes:
        return b"".join(frame.data for frame in self.of(Data, stream))

    def end(self, stream: int, within: float = 30.0) -> End:
        wait_until(lambda: self.of(End, stream), within)
        return self.of(End, stream)[0]

    def wait(self, claim: Callable[[], object], within: float = 30.0) -> None:
        wait_until(claim, within)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.status != 101:
            return web.Response(status=self.status, text="this node is not welcome")
        connected = web.WebSocketResponse(max_msg_size=0, autoping=False)
        await connected.prepare(request)
        self.connections += 1
        self.requests.append((request.path, request.headers.get("ConnectionUse", "")))
        self._sockets.append(connected)
        async for frame in connected:
            if frame.type is WSMsgType.PING:
                self.pings += 1
                if not self.deaf:
                    await connected.pong(frame.data)
            elif frame.type is WSMsgType.BINARY:
                self.frames.append(decode(frame.data))
        self.close_codes.append(connected.close_code)
        return connected
