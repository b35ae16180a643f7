"""Waiting for a Kubernetes API that is away: saying so, and going on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cloudcore.errors import KubeError, KubeInvalid
from cloudcore.kube.backoff import Backoff

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_SAY_AGAIN_SECONDS = 60.0


async def until_answered(what: str, call: Callable[[], Awaitable[Result]], backoff: Backoff | None = None) -> Result:
    """What ``call`` gives once the API lets it; said at first and then once a minute.

    Raises:
        KubeInvalid: the API refuses it for good.
    """
    pauses = backoff or Backoff(limit=5.0)
    clock = asyncio.get_running_loop().time
    say_at = clock()
    waited = False
    while True:
        try:
            result = await call()
        except KubeInvalid:
            raise
        except KubeError as exc:
            waited = True
            if clock() >= say_at:
                logger.warning("%s: %s; trying again until it works", what, exc)
                say_at = clock() + _SAY_AGAIN_SECONDS
            await asyncio.sleep(pauses.next())
        else:
            if waited:
                logger.info("%s: done, the API answers", what)
            return result
