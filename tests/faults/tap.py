"""Between board and hub with papers for both: it ends the board's TLS and begins its own to the hub, so it sees every message, counts
it, and can swallow or double single ones. The site's CA and the board's key are at hand because the harness made both."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from demo.parts import Board
from tests.faults.background import Background
from tests.faults.papers import server_papers
from viaduct.codec import MAX_FRAME_BYTES
from viaduct.handshake import HEADER_MODES, HEADER_NODE, HEADER_PROJECT, HEADER_USE, choose_mode

UP, DOWN = "up", "down"

_PASSED_ON = (HEADER_NODE, HEADER_PROJECT, HEADER_USE, HEADER_MODES)
_GONE_AWAY = 1001


@dataclass(frozen=True)
class Frame:
    """One message on its way: ``way`` is up or down, ``number`` counts from 1 in that direction."""

    way: str
    number: int
    envelope: dict[str, Any]

    @property
    def operation(self) -> str:
        return str(self.envelope.get("route", {}).get("operation", ""))

    @property
    def resource(self) -> str:
        return str(self.envelope.get("route", {}).get("resource", ""))

    @property
    def is_acknowledgement(self) -> bool:
        return self.operation == "response"

    @property
    def is_answer(self) -> bool:
        """An acknowledgement, or a refusal."""
        return self.operation in ("response", "error")

    @property
    def refuses_for_good(self) -> bool:
        content = self.envelope.get("content")
        return self.operation == "error" and isinstance(content, dict) and content.get("retry") is False

    def answers(self) -> list[str]:
        """The ids that it names."""
        content = self.envelope.get("content")
        if isinstance(content, dict) and isinstance(content.get("acknowledged"), list):
            return [str(msg_id) for msg_id in content["acknowledged"]]
        parent = self.envelope.get("header", {}).get("parent_msg_id")
        return [str(parent)] if parent else []


Verdict = Callable[[Frame], int]
"""How often the frame goes on: 0 swallows it, 2 doubles it."""


def pass_on(frame: Frame) -> int:
    return 1


class Tap:
    """``verdict`` may be changed while it runs. ``watchers`` see every frame before the verdict, in the background loop."""

    def __init__(self, background: Background, board: Board, port: int, folder: Path) -> None:
        self.port = port
        self.verdict: Verdict = pass_on
        self.watchers: list[Callable[[Frame], None]] = []
        self.counts: Counter[str] = Counter()
        self._background = background
        self._board = board
        self._papers = server_papers(board.site, folder)
        self._numbers: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None
        background.run(self._start())

    def heal(self) -> None:
        self.verdict = pass_on

    def close(self) -> None:
        if self._runner is not None:
            self._background.run(self._runner.cleanup())

    async def _start(self) -> None:
        application = web.Application()
        application.router.add_route("GET", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._papers)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self._board.folder / "ca.crt")
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context).start()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        board = web.WebSocketResponse(max_msg_size=MAX_FRAME_BYTES + 1, compress=False, timeout=1.0)
        board.headers[HEADER_MODES] = choose_mode(request.headers).value
        async with aiohttp.ClientSession() as client:
            try:
                hub = await client.ws_connect(
                    f"wss://127.0.0.1:{self._board.site.hub}{request.rel_url}",
                    headers=headers,
                    ssl=self._as_board(),
                    max_msg_size=MAX_FRAME_BYTES + 1,
                )
            except aiohttp.WSServerHandshakeError as exc:
                return web.Response(status=exc.status, text=exc.message)
            except (aiohttp.ClientError, OSError):
                _abort(request)
                return web.Response(status=502)
            try:
                await board.prepare(request)
            except ConnectionResetError:  # the board was killed meanwhile
                return board
            up = asyncio.create_task(self._relay(UP, board, hub))
            down = asyncio.create_task(self._relay(DOWN, hub, board))
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if down.done() and hub.close_code in (None, 1006):
                _abort(request)
            for task in (up, down):
                task.cancel()
            await hub.close(code=_GONE_AWAY)
            await board.close(code=hub.close_code or _GONE_AWAY)
        return board

    def _as_board(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self._board.folder / "ca.crt")
        context.load_cert_chain(self._board.folder / "edge.crt", self._board.folder / "edge.key")
        return context

    async def _relay(self, way: str, source: Any, sink: Any) -> None:
        async for message in source:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            text = message.data if isinstance(message.data, str) else message.data.decode()
            for _ in range(self._judge(way, text)):
                await _say(sink, text)

    def _judge(self, way: str, text: str) -> int:
        self._numbers[way] += 1
        frame = Frame(way, self._numbers[way], json.loads(text))
        for watcher in self.watchers:
            watcher(frame)
        copies = self.verdict(frame)
        self.counts[f"{way} {'answers' if frame.is_answer else 'messages'}"] += 1
        if not copies:
            self.counts[f"{way} swallowed"] += 1
        return copies


async def _say(sink: Any, text: str) -> None:
    """What is said to a link that has ended is lost, as on a wire."""
    try:
        await sink.send_str(text)
    except (ConnectionError, RuntimeError):
        pass


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
