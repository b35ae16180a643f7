"""What boards say of their use (``/stats/summary`` of a kubelet): asked over their tunnels, kept for a moment."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection

from cloudcore.cloudstream.stream import GATEWAY, Opens
from cloudcore.errors import StreamError
from cloudcore.ports import JsonObject
from viaduct.streamrequest import StreamRequest, Verb
from viaduct.tunnel import Data, End

logger = logging.getLogger(__name__)

GOOD_FOR = 10.0
"""Seconds in which a board is not asked again."""

PATIENCE = 20.0
"""Seconds within which a board's figures count, its turn included: API servers wait for the whole answer, for a minute at most."""

AT_ONCE = 256
"""Boards that measure at the same time; each does so for a second."""

_MOST_ANSWER = 8 * 1024 * 1024


async def summary_of(tunnels: Opens, node: str) -> bytes:
    """As the board said it. Raises StreamError."""
    stream = await tunnels.open(node, StreamRequest(Verb.STATS))
    parts: list[bytes] = []
    try:
        while True:
            frame = await stream.receive()
            if isinstance(frame, Data):
                parts.append(frame.data)
                if sum(map(len, parts)) > _MOST_ANSWER:
                    raise StreamError(f"the node answered more than {_MOST_ANSWER} bytes", code=GATEWAY)
            elif isinstance(frame, End):
                if frame.code != 200:
                    raise StreamError(frame.reason or "the node ended it", code=frame.code)
                return b"".join(parts)
    finally:
        stream.close()


class Summaries:
    """What boards said last. ``connected``: those that can be asked."""

    def __init__(self, tunnels: Opens, connected: Callable[[], Collection[str]]) -> None:
        self._tunnels = tunnels
        self._connected = connected
        self._said: dict[str, tuple[float, JsonObject]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def of(self, nodes: Collection[str]) -> dict[str, JsonObject]:
        """By node. Those that are not boards of ours, are away or do not answer are left out."""
        asked = sorted(set(nodes) & set(self._connected()))
        self._forget_all_but_fresh()
        found = await asyncio.gather(*map(self._one, asked))
        return {node: summary for node, summary in zip(asked, found, strict=True) if summary is not None}

    async def _one(self, node: str) -> JsonObject | None:
        known = self._said.get(node)
        if known is not None:
            return known[1]
        try:
            async with asyncio.timeout(PATIENCE), self._room:
                found = json.loads(await summary_of(self._tunnels, node))
        except (StreamError, TimeoutError, ValueError, RecursionError) as exc:
            logger.info("node %s: no figures: %s", node, exc or "no answer in time")
            return None
        if not isinstance(found, dict):
            logger.info("node %s: no figures: what it says of its use is no JSON object", node)
            return None
        self._said[node] = (_now(), found)
        return found

    def _forget_all_but_fresh(self) -> None:
        now = _now()
        self._said = {node: known for node, known in self._said.items() if now - known[0] < GOOD_FOR}


def _now() -> float:
    return asyncio.get_running_loop().time()
