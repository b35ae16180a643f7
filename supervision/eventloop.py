"""Signs of life of an event loop: they end when something holds it up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from supervision.notify import ServiceManager


@asynccontextmanager
async def signs_of_life(manager: ServiceManager) -> AsyncIterator[None]:
    """As long as the block runs, the loop says that it turns."""
    task = asyncio.get_running_loop().create_task(_beat(manager), name="signs of life")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _beat(manager: ServiceManager) -> None:
    while manager.interval is not None:
        manager.alive()
        await asyncio.sleep(manager.interval)
