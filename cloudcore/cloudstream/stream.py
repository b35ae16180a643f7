"""One stream to a board, from CloudCore's end (P7.4, P7.5): frames in, frames out, a window in each direction."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from cloudcore.errors import StreamError
from viaduct.streamrequest import StreamRequest
from viaduct.tunnel import MAX_DATA, WINDOW, Channel, Credit, Data, End, Eof, Frame, Ready, Resize

OK, GATEWAY, UNAVAILABLE = 200, 502, 503

_GRANT_FROM = WINDOW // 4
"""Bytes taken before they are granted again: a CREDIT for each piece would double the frames."""


class Stream:
    """``wait_ready``, then ``receive`` until an End comes; ``close`` in any case. One task receives, another may send."""

    def __init__(self, number: int, send: Callable[[Frame], Awaitable[None]], forget: Callable[[Stream, bool], None]) -> None:
        self.number = number
        self._send = send
        self._forget = forget
        self._frames: deque[Data | Eof] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._ready = False
        self._ahead = 0
        """Bytes that came and are not granted again."""
        self._taken = 0
        self._allowance = WINDOW
        self._end: End | None = None

    @property
    def ended(self) -> End | None:
        return self._end

    async def wait_ready(self, within: float) -> None:
        """Raises StreamError where the board refuses, or says nothing for ``within`` seconds."""
        try:
            async with asyncio.timeout(within):
                while not self._ready and self._end is None:
                    await self._wait_news()
        except TimeoutError:
            raise StreamError(f"the node did not answer within {within:g} s", code=UNAVAILABLE) from None
        if not self._ready and self._end is not None:
            raise StreamError(self._end.reason or f"the node refused with code {self._end.code}", code=self._end.code)

    async def receive(self) -> Data | Eof | End:
        """The next piece; End when there is no more, and again whenever asked. What was received before is granted again."""
        await self._grant()
        while not self._frames:
            if self._end is not None:
                return self._end
            await self._wait_news()
        frame = self._frames.popleft()
        if isinstance(frame, Data):
            self._taken += len(frame.data)
        return frame

    async def send(self, data: bytes, channel: Channel = Channel.STDIN) -> None:
        """Wait until the board takes it. Raises StreamError once the stream has ended."""
        view = memoryview(data)
        while view:
            while self._allowance <= 0 and self._end is None:
                self._room.clear()
                await self._room.wait()
            self._check_open()
            part = view[: min(MAX_DATA, self._allowance)]
            view = view[len(part) :]
            self._allowance -= len(part)
            await self._send(Data(self.number, channel, bytes(part)))

    async def end_input(self, channel: Channel = Channel.STDIN) -> None:
        if self._end is None:
            await self._send(Eof(self.number, channel))

    async def resize(self, width: int, height: int) -> None:
        if self._end is None:
            await self._send(Resize(self.number, width, height))

    def close(self) -> None:
        """Who asked is gone, or has enough; the board is told where it does not know."""
        if self._end is None:
            self._over(End(self.number, OK, "closed by who asked"), tell=True)

    def take(self, frame: Frame) -> None:
        """A frame of the board."""
        match frame:
            case Ready():
                self._ready = True
            case Data(data=data):
                self._ahead += len(data)
                if self._ahead > WINDOW:
                    self._over(End(self.number, GATEWAY, f"the node sent more than {WINDOW} bytes ahead"), tell=True)
                    return
                self._frames.append(frame)
            case Eof():
                self._frames.append(frame)
            case Credit(count=count):
                self._allowance += count
                self._room.set()
            case End():
                self._over(frame, tell=False)
        self._news.set()

    def lost(self, reason: str) -> None:
        """The connection broke."""
        if self._end is None:
            self._over(End(self.number, UNAVAILABLE, reason), tell=False)

    def _over(self, end: End, *, tell: bool) -> None:
        self._end = end
        self._news.set()
        self._room.set()
        self._forget(self, tell)

    def _check_open(self) -> None:
        if self._end is not None:
            raise StreamError(self._end.reason or "the stream has ended", code=self._end.code)

    async def _wait_news(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _grant(self) -> None:
        if self._taken >= _GRANT_FROM and self._end is None:
            count, self._taken = self._taken, 0
            self._ahead -= count
            await self._send(Credit(self.number, count))


class Opens(Protocol):
    """Streams of boards."""

    async def open(self, node: str, request: StreamRequest) -> Stream:
        """Raises StreamError."""
