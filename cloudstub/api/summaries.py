"""What kubelets say of their nodes' use, kept for a moment."""

from __future__ import annotations

import asyncio
import json
import logging

from cloudstub.api.kubeletclient import KubeletClient
from cloudstub.errors import ApiError, Backend
from cloudstub.verbs.kubelet import summary_location
from supervision.usage import Object

logger = logging.getLogger(__name__)

GOOD_FOR = 5.0
"""Seconds in which a kubelet is not asked again."""

PATIENCE = 20.0
AT_ONCE = 16
_MOST_ANSWER = 8 * 1024 * 1024


class Summaries:
    """What kubelets said last."""

    def __init__(self, client: KubeletClient) -> None:
        self._client = client
        self._said: dict[str, tuple[float, Object]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def of(self, node: Object) -> Object | None:
        """None: its kubelet cannot be reached now."""
        name, now = str(node["metadata"]["name"]), asyncio.get_running_loop().time()
        known = self._said.get(name)
        if known is not None and now - known[0] < GOOD_FOR:
            return known[1]
        try:
            async with self._room, asyncio.timeout(PATIENCE):
                found = await self._ask(node)
        except (ApiError, TimeoutError, ValueError) as exc:
            logger.info("node %s: no figures: %s", name, exc or "no answer in time")
            return None
        self._said[name] = (asyncio.get_running_loop().time(), found)
        return found

    async def _ask(self, node: Object) -> Object:
        async with self._client.get(summary_location(node)) as answer:
            raw = bytearray()
            async for chunk in answer.content.iter_any():
                raw += chunk
                if len(raw) > _MOST_ANSWER:
                    raise Backend(f"the figures are more than {_MOST_ANSWER} bytes")
        found = json.loads(raw)
        if not isinstance(found, dict):
            raise ValueError("the figures are no JSON object")
        return found
