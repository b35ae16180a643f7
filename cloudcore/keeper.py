"""Work that goes on until it is cancelled: what fails unexpectedly is said and begun again, as beehive's keeper does on the board."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
HEALTHY_AFTER = 60.0
"""Seconds. Who worked for this long begins with the first pause again."""

logger = logging.getLogger(__name__)


def keep(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> asyncio.Task[None]:
    """The task ``name``, which runs ``work()`` and, where that raises, another one after a pause; it ends when ``work`` returns."""
    return asyncio.create_task(_kept(work, name), name=name)


async def _kept(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    clock = asyncio.get_running_loop().time
    pause = FIRST_PAUSE
    while True:
        began = clock()
        try:
            return await work()
        except Exception:
            if clock() - began > HEALTHY_AFTER:
                pause = FIRST_PAUSE
            logger.exception("%s failed; it begins again in %g s", name, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
