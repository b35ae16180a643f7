"""The one event loop of the mapper, in a thread of its own; bleak knows no other way. The SDK's threads hand it work and wait."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from mappers.sdk.errors import DeviceAway
from viaduct.faults import TIMEOUT

T = TypeVar("T")


class EventLoop:
    """Its thread starts with the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def call(self, work: Callable[[], Coroutine[Any, Any, T]], *, limit: float, what: str) -> T:
        """The result of ``work``. Raises what it raises, and DeviceAway after ``limit`` seconds."""
        future = asyncio.run_coroutine_threadsafe(_within(work, limit, what), self._running())
        try:
            # The loop keeps the limit; this is for a loop that is held up.
            return future.result(limit * 2)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise DeviceAway(f"{what}: no answer within {limit:g} s", code=TIMEOUT) from None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="bluetooth", daemon=True).start()
            return self._loop


async def _within(work: Callable[[], Coroutine[Any, Any, T]], limit: float, what: str) -> T:
    try:
        async with asyncio.timeout(limit):
            return await work()
    except TimeoutError:
        raise DeviceAway(f"{what}: no answer within {limit:g} s", code=TIMEOUT) from None
