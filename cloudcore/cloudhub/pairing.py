"""``POST /pair`` on port 10002 (P2.12): a board that shows a code asks; each code that an operator has typed is answered for.

Anybody may ask, and an answer costs a processor 10 ms for each code that waits, on a small board 100. So questions are answered one at a
time, the process rests three times as long as it computed, and few may stand in line.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web

from cloudcore.cloudhub.throttle import Throttle
from cloudcore.errors import CloudCoreError, IdentityError
from cloudcore.pki.exchange import answer
from cloudcore.pki.pairings import Pairing
from cloudcore.pki.waitinglist import WaitingList
from viaduct.errors import MalformedPayload
from viaduct.pairing import Answer, Invitation, answers_body, invitation_body, read_request

BODY_TIME_S = 10.0
IN_LINE_LIMIT = 16
_REST = 3.0
_LOOK_AGAIN_S = 60.0
_TRY_AGAIN_S = 5.0

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class PairingDesk:
    """What the handler needs. ``now`` gives epoch seconds."""

    expected: WaitingList
    hub_port: int
    now: Callable[[], float]
    throttle: Throttle = field(default_factory=lambda: Throttle(limit=60))
    in_line: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def pair(self, request: web.Request) -> web.Response:
        """Every refusal says in one line what is wrong."""
        address = request.remote or ""
        if wait_s := self.throttle.wait_s(address, self.now()):
            return _text(429, "too many questions from this address", retry_s=wait_s)
        self.throttle.failed(address, self.now())
        try:
            async with asyncio.timeout(BODY_TIME_S):
                message = read_request(await request.read())
            answers = await self._in_turn(message)
        except TimeoutError:
            return _text(408, f"body: not received within {BODY_TIME_S:.0f} s")
        except (MalformedPayload, IdentityError) as exc:
            logger.warning("a board at %s that would pair is refused: %s", address, exc)
            return _text(400, str(exc))
        if answers is None:
            return _text(503, "too many boards ask at once", retry_s=5)
        return web.Response(body=answers_body(answers), content_type="application/json")

    async def _in_turn(self, message: bytes) -> list[Answer] | None:
        if self.in_line >= IN_LINE_LIMIT:
            return None
        self.in_line += 1
        try:
            async with self.turn:
                return [await self._answer(one, message) for one in self.expected.waiting(self.now())]
        finally:
            self.in_line -= 1

    async def _answer(self, pairing: Pairing, message: bytes) -> Answer:
        began = time.thread_time()  # computing alone: on a busy machine it is others who took the rest
        made = answer(pairing.code, message, invitation_body(Invitation(pairing.token, pairing.node, self.hub_port)))
        await asyncio.sleep(_REST * (time.thread_time() - began))
        return made


async def keep_the_list(expected: WaitingList, changed: asyncio.Event, now: Callable[[], float]) -> None:
    """Read who is expected when ``changed`` is set, and while somebody is every minute, so that nothing stays that is over; goes on until
    cancelled."""
    while True:
        changed.clear()
        limit_s: float | None = _TRY_AGAIN_S
        try:
            await expected.refresh(now=now())
            limit_s = None if expected.is_empty() else _LOOK_AGAIN_S
        except CloudCoreError as exc:
            logger.warning("list of boards that are expected: %s; keeping the one we have", exc)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await changed.wait()


def _text(status: int, text: str, *, retry_s: float = 0) -> web.Response:
    headers = {"Retry-After": str(int(retry_s) + 1)} if retry_s else None
    return web.Response(status=status, text=text + "\n", headers=headers)
