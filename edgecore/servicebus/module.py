"""ServiceBus: carries HTTP requests of the cloud to applications on this node (contract 7.3). Off by default."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import Busy
from edgecore.servicebus import caller
from edgecore.servicebus.calls import Answer, BadCall, Call, is_call, parse_call, refusal, reply
from viaduct.message import Message
from viaduct.vocabulary import Group, ModuleName

logger = logging.getLogger(__name__)

WORKERS = 4
WAITING = 32
PLACING_TIMEOUT = 5.0


class ServiceBus(Module):
    """A few threads make the calls, so that a slow application delays only those behind it, and never the loop."""

    name = ModuleName.SERVICEBUS
    group = Group.BUS

    def __init__(
        self, switchboard: Switchboard, *, call: Callable[[Call], Answer] = caller.call, now_ms: Callable[[], int] | None = None
    ) -> None:
        self._switchboard = switchboard
        self._call = call
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._calls: queue.Queue[tuple[Message, Call]] = queue.Queue(WAITING)
        self._closing = threading.Event()

    def opened(self) -> None:
        for number in range(WORKERS):
            threading.Thread(target=self._work, name=f"servicebus-{number}", daemon=True).start()

    def closed(self) -> None:
        self._closing.set()

    def take(self, letter: Any) -> None:
        if not isinstance(letter, Message) or not is_call(letter):
            return
        try:
            self._calls.put_nowait((letter, parse_call(letter)))
        except BadCall as fault:
            logger.warning("a call from the cloud is refused: %s", fault)
            self._switchboard.send(ModuleName.EDGEHUB, reply(letter, refusal(400, str(fault)), now_ms=self._now_ms()))
        except queue.Full:
            answer = refusal(500, f"{WAITING} calls are waiting already")
            self._switchboard.send(ModuleName.EDGEHUB, reply(letter, answer, now_ms=self._now_ms()))

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                request, call = self._calls.get(timeout=1.0)
            except queue.Empty:
                continue
            self._carry_out(request, call)

    def _carry_out(self, request: Message, call: Call) -> None:
        answer = self._call(call)
        logger.debug("%s port %d: %d", call.method, call.port, answer.status)
        try:
            message = reply(request, answer, now_ms=self._now_ms())
            self._switchboard.send_from_rim(ModuleName.EDGEHUB, message, timeout=PLACING_TIMEOUT)
        except Busy as exc:
            logger.warning("the answer to a call is lost: %s", exc)
