"""Revoked nodes leave at once, connected or not (X3)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cloudcore.errors import CloudCoreError

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 30.0


async def keep_out_the_revoked(
    refresh: Callable[[], Awaitable[None]],
    close_revoked: Callable[[], Awaitable[None]],
    changed: asyncio.Event,
) -> None:
    """Read the list again when ``changed`` is set, and every half minute all the same; goes on until cancelled."""
    while True:
        try:
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                await changed.wait()
        except TimeoutError:
            pass
        changed.clear()
        try:
            await refresh()
        except CloudCoreError as exc:
            logger.warning("list of revoked nodes: %s; keeping the one we have", exc)
        await close_revoked()
