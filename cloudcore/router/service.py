"""Router: HTTP from here to applications on boards, and from them to targets here, over the boards' own links (contract 7.3).

Off by default. Nothing of it is kept: who asks waits, and is told what became of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from cloudcore.errors import Refused
from cloudcore.readings import Reading, counts, gauge
from cloudcore.router import calls
from cloudcore.router.calls import BadPlace, Place
from cloudcore.router.client import Client
from viaduct.errors import MalformedPayload
from viaduct.httpcall import Answer, Headers, answer_of
from viaduct.message import Message

logger = logging.getLogger(__name__)

AT_ONCE = 256
AT_ONCE_OF_A_NODE = 32
"""Calls that may be open; more are told to come again (D8)."""


class Hub(Protocol):
    """CloudHub, as the router sees it."""

    def tell(self, node: str, message: Message) -> bool: ...

    def acknowledges_devices(self, node: str) -> bool:
        """Whether the node speaks ledger mode."""


class Router:
    """``seconds`` that an application on a board has for its answer; ``targets``: URLs that applications on boards may ask."""

    def __init__(
        self, hub: Hub, targets: Sequence[str], *, seconds: float, now_ms: Callable[[], int], client: Client | None = None
    ) -> None:
        self._hub = hub
        self._targets = frozenset(targets)
        self._seconds = seconds
        self._now_ms = now_ms
        self._client = client or Client()
        self._waiting: dict[str, tuple[str, asyncio.Future[Answer]]] = {}
        self._of_nodes: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()

    async def stop(self) -> None:
        await self._client.close()

    async def call(self, place: Place, method: str, headers: Headers, body: bytes) -> Answer:
        """What the application answers.

        Raises:
            BadPlace: it was not asked, or did not answer in time.
        """
        try:
            answer = await self._call(place, method, headers, body)
        except BadPlace as exc:
            self._calls[str(exc.status)] += 1
            raise
        self._calls["answered"] += 1
        return answer

    async def take(self, node: str, message: Message) -> Message | None:
        """An answer to ``call``, or what an application asks; for that, the answer.

        Raises:
            Refused: nobody has asked this node, or nobody may be asked.
        """
        if message.header.parent_msg_id:
            self._answered(node, message)
            return None
        asked = calls.asked_by(message, self._targets)
        answer = await self._client.send(asked, node)
        self._asked["answered" if answer is not None else "away"] += 1
        if answer is None:
            answer = calls.unanswered(502, f"{asked.url} does not answer")
        return calls.told(message, answer, ledger=self._hub.acknowledges_devices(node), now_ms=self._now_ms())

    def node_changed(self, node: str, connected: bool) -> None:
        """A node forgets nothing of it, but may never have heard it; who waits for one that went waits in vain."""
        if connected:
            for url in sorted(self._targets):
                self._hub.tell(node, calls.registration(url, now_ms=self._now_ms()))
            return
        for msg_id, (of, future) in list(self._waiting.items()):
            if of == node and not future.done():
                future.set_exception(BadPlace(502, f"node {node} went away"))
                del self._waiting[msg_id]

    def readings(self) -> Iterator[Reading]:
        yield counts("router_calls", "HTTP calls to applications on nodes, by what became of them", "outcome", self._calls)
        yield counts("router_asked", "HTTP calls of applications on nodes to targets", "outcome", self._asked)
        yield gauge("router_open", "HTTP calls to applications on nodes that wait for an answer", len(self._waiting))

    async def _call(self, place: Place, method: str, headers: Headers, body: bytes) -> Answer:
        message = calls.call_message(place, method, headers, body, now_ms=self._now_ms())
        if len(self._waiting) >= AT_ONCE or self._of_nodes[place.node] >= AT_ONCE_OF_A_NODE:
            raise BadPlace(503, "too many calls wait for an answer; come again")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[message.id] = place.node, future
        self._of_nodes[place.node] += 1
        try:
            if not self._hub.tell(place.node, message):
                raise BadPlace(503, f"node {place.node} is not connected")
            async with asyncio.timeout(self._seconds):
                return await future
        except TimeoutError as exc:
            reason = f"no answer of node {place.node} within {self._seconds:g} s; is modules.servicebus.enable on there?"
            raise BadPlace(504, reason) from exc
        finally:
            self._waiting.pop(message.id, None)
            self._of_nodes -= Counter([place.node])

    def _answered(self, node: str, message: Message) -> None:
        of, future = self._waiting.get(message.header.parent_msg_id, ("", None))
        if future is None or of != node or future.done():
            raise Refused("header.parent_msg_id: nobody waits for this answer", code=404, why="unasked")
        try:
            future.set_result(answer_of(message.content))
        except MalformedPayload as exc:
            future.set_exception(BadPlace(502, f"the answer of node {node} cannot be read: {exc}"))
            raise Refused(str(exc)) from exc
