"""A program that is an event loop: from its start until somebody asks it to end, and its signs of life, which end when it is held up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

from supervision.notify import ServiceManager


class Running(Protocol):
    async def stop(self) -> None: ...


Started = TypeVar("Started", bound=Running)


async def run_until_asked(start: Coroutine[Any, Any, Started], *, begun: Callable[[Started], object], asked: Callable[[], object]) -> None:
    """What ``start`` starts runs until SIGINT or SIGTERM; one of them while the start is still under way breaks it off.

    ``begun`` is called when it has started, ``asked`` before it is stopped. Raises what ``start`` raises.
    """
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard.set)
    stopping = loop.create_task(heard.wait())
    starting = loop.create_task(start)
    await asyncio.wait({stopping, starting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    running = await starting
    begun(running)
    await stopping
    asked()
    await running.stop()


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
