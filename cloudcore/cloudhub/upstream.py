"""One message of a node to the controller that takes it, and what the node is told. Nothing that a node says can raise here (D8)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from cloudcore.cloudhub import admission, replies, routing
from cloudcore.cloudhub.counts import Counts
from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.sparing import Sparing
from cloudcore.errors import HistoryError, KubeError, KubeInvalid, RecordsError, Refused
from viaduct.handshake import Mode
from viaduct.message import Message

logger = logging.getLogger(__name__)

TAKE_SECONDS = 60.0
_RETRY_CODE = 503


class Taker(Protocol):
    """What is needed of an Uplink. Besides what that raises: RecordsError, HistoryError, where an upload or samples cannot be kept now."""

    async def take(self, node: str, message: Message) -> Message | None: ...


class Upstream:
    """``takers`` by target. ``limit`` (seconds) ends a write that never comes back; the node is asked to say it again."""

    def __init__(
        self,
        takers: Mapping[Target, Taker],
        may_read: admission.MayRead,
        now_ms: Callable[[], int],
        counts: Counts,
        *,
        limit: float = TAKE_SECONDS,
    ) -> None:
        self._takers = takers
        self._may_read = may_read
        self._now_ms = now_ms
        self._counts = counts
        self._limit = limit
        self._sparing = Sparing()

    async def answer(self, node: str, mode: Mode, message: Message) -> list[Message]:
        """What to send back after ``message`` took effect, or did not."""
        try:
            target = routing.target_of(message)
            admission.check(node, message, self._may_read)
            taker = self._takers.get(target)
            if taker is None:
                raise Refused(f"modules.{target.value}.enable: is off in this CloudCore", code=501, why="switched_off")
            async with asyncio.timeout(self._limit):
                answer = await taker.take(node, message)
        except Refused as exc:
            return self._refuse(node, mode, message, exc)
        except KubeInvalid as exc:
            return self._refuse(node, mode, message, Refused(str(exc), code=exc.code, why="invalid"))
        except KubeError as exc:
            return self._put_off(node, mode, message, exc.code or _RETRY_CODE, str(exc))
        except (RecordsError, HistoryError) as exc:
            return self._put_off(node, mode, message, _RETRY_CODE, str(exc))
        except TimeoutError:
            return self._put_off(node, mode, message, 504, f"not done within {self._limit:g} s")
        except Exception:
            logger.exception("node %s: %s %s failed in CloudCore", node, message.route.operation, message.route.resource)
            return self._put_off(node, mode, message, 500, "internal error, see CloudCore's log")
        self._counts.reports["accepted"] += 1
        return replies.accepted(mode, message, answer, now_ms=self._now_ms())

    def _refuse(self, node: str, mode: Mode, message: Message, refused: Refused) -> list[Message]:
        """For good. A node that says such things without end must not fill the log (X2)."""
        self._counts.reports["refused"] += 1
        self._counts.denied[refused.why] += 1
        untold = self._sparing.tell(f"{node} {refused.why}", self._now_ms() / 1000)
        if untold is not None:
            more = f" (and {untold} more such messages before)" if untold else ""
            logger.warning("node %s: denied %s %s: %s%s", node, message.route.operation, message.route.resource, refused.reason, more)
        return replies.declined(mode, message, code=refused.code, reason=refused.reason, retry=False, now_ms=self._now_ms())

    def _put_off(self, node: str, mode: Mode, message: Message, code: int, reason: str) -> list[Message]:
        self._counts.reports["put_off"] += 1
        logger.info("node %s: %s %s: %s", node, message.route.operation, message.route.resource, reason)
        return replies.declined(mode, message, code=code, reason=reason, retry=True, now_ms=self._now_ms())
