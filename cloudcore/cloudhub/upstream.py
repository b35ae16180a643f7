"""One message of a node to the controller that takes it, and what the node is told. Nothing that a node says can raise here (D8)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from cloudcore.cloudhub import admission, replies, routing
from cloudcore.cloudhub.routing import Target
from cloudcore.errors import KubeError, KubeInvalid, Refused
from viaduct.handshake import Mode
from viaduct.message import Message

logger = logging.getLogger(__name__)

TAKE_SECONDS = 60.0
_RETRY_CODE = 503


class Taker(Protocol):
    """What is needed of an Uplink."""

    async def take(self, node: str, message: Message) -> Message | None: ...


class Upstream:
    """``takers`` by target. ``limit`` (seconds) ends a write that never comes back; the node is asked to say it again."""

    def __init__(
        self,
        takers: Mapping[Target, Taker],
        may_read: admission.MayRead,
        now_ms: Callable[[], int],
        *,
        limit: float = TAKE_SECONDS,
    ) -> None:
        self._takers = takers
        self._may_read = may_read
        self._now_ms = now_ms
        self._limit = limit

    async def answer(self, node: str, mode: Mode, message: Message) -> list[Message]:
        """What to send back after ``message`` took effect, or did not."""
        try:
            target = routing.target_of(message)
            admission.check(node, message, self._may_read)
            taker = self._takers.get(target)
            if taker is None:
                raise Refused(f"modules.{target.value}.enable: is off in this CloudCore", code=501)
            async with asyncio.timeout(self._limit):
                answer = await taker.take(node, message)
        except Refused as exc:
            return self._decline(node, mode, message, exc.code, exc.reason, retry=False)
        except KubeInvalid as exc:
            # 403 is about our own rights, which an administrator can mend; what is malformed stays so.
            return self._decline(node, mode, message, exc.code, str(exc), retry=exc.code == 403)
        except KubeError as exc:
            return self._decline(node, mode, message, exc.code or _RETRY_CODE, str(exc), retry=True)
        except TimeoutError:
            return self._decline(node, mode, message, 504, f"not done within {self._limit:g} s", retry=True)
        except Exception:
            logger.exception("node %s: %s %s failed in CloudCore", node, message.route.operation, message.route.resource)
            return self._decline(node, mode, message, 500, "internal error, see CloudCore's log", retry=True)
        return replies.accepted(mode, message, answer, now_ms=self._now_ms())

    def _decline(self, node: str, mode: Mode, message: Message, code: int, reason: str, *, retry: bool) -> list[Message]:
        log = logger.info if retry else logger.warning
        log("node %s: %s %s: %s", node, message.route.operation, message.route.resource, reason)
        return replies.declined(mode, message, code=code, reason=reason, retry=retry, now_ms=self._now_ms())
