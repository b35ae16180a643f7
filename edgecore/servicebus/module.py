"""ServiceBus: HTTP of the cloud to applications on this node, and of applications to the cloud (contract 7.3). Off by default."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import Busy, NoAnswer, StoreError
from edgecore.servicebus import caller
from edgecore.servicebus.calls import BadCall, Call, is_call, parse_call, refusal, reply
from edgecore.servicebus.listener import Listener
from edgecore.servicebus.questions import MOST_TARGETS, NotAsked, Told, question, told_by
from edgecore.store import targets
from edgecore.store.database import Database
from viaduct.httpcall import MAX_TARGET, Answer
from viaduct.message import Message
from viaduct.vocabulary import Group, ModuleName, Operation, Source

logger = logging.getLogger(__name__)

WORKERS = 4
WAITING = 32
PLACING_TIMEOUT = 5.0
ASKING_TIMEOUT = 20.0
"""EdgeHub gives up sooner and says why; this is for a fault of ours."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where applications on this node ask; port 0: nowhere."""

    server: str = "127.0.0.1"
    port: int = 0


class ServiceBus(Module):
    """A few threads make the calls, so that a slow application delays only those behind it, and never the loop."""

    name = ModuleName.SERVICEBUS
    group = Group.BUS

    def __init__(
        self,
        switchboard: Switchboard,
        database: Database,
        door: Door | None = None,
        *,
        call: Callable[[Call], Answer] = caller.call,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        self._switchboard = switchboard
        self._database = database
        self._door = door or Door()
        self._call = call
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._calls: queue.Queue[tuple[Message, Call]] = queue.Queue(WAITING)
        self._closing = threading.Event()
        self._listener: Listener | None = None
        self._registered: frozenset[str] = frozenset()

    def opened(self) -> None:
        self._registered = frozenset(self._database.read(targets.load_all))
        for number in range(WORKERS):
            threading.Thread(target=self._work, name=f"servicebus-{number}", daemon=True).start()
        if self._door.port:
            self._listen()

    def closed(self) -> None:
        self._closing.set()
        if self._listener is not None:
            self._listener.stop()

    def take(self, letter: Any) -> None:
        if not isinstance(letter, Message) or not is_call(letter):
            return
        if letter.route.source == Source.ROUTER_SERVICEBUS and letter.route.operation in (Operation.START, Operation.STOP):
            self._register(letter.route.resource, letter.route.operation == Operation.START)
            return
        try:
            self._calls.put_nowait((letter, parse_call(letter)))
        except BadCall as fault:
            logger.warning("a call from the cloud is refused: %s", fault)
            self._switchboard.send(ModuleName.EDGEHUB, reply(letter, refusal(400, str(fault)), now_ms=self._now_ms()))
        except queue.Full:
            answer = refusal(500, f"{WAITING} calls are waiting already")
            self._switchboard.send(ModuleName.EDGEHUB, reply(letter, answer, now_ms=self._now_ms()))

    def knows(self, url: str) -> bool:
        """Whether applications may ask it."""
        return url in self._registered

    def ask_cloud(self, body: bytes) -> Told:
        """What an application is told. Waits for the cloud; for the listener's threads."""
        try:
            asked = question(body, self._registered, now_ms=self._now_ms())
            return told_by(self._switchboard.ask(ModuleName.EDGEHUB, asked, timeout=ASKING_TIMEOUT))
        except NotAsked as exc:
            return exc.told
        except (Busy, NoAnswer) as exc:
            return Told(503, str(exc))

    def _listen(self) -> None:
        """Calls of the cloud are served without it too."""
        try:
            self._listener = Listener(self._door.server, self._door.port, self.ask_cloud)
        except OSError as exc:
            where = f"{self._door.server} port {self._door.port}: {exc.strerror or exc}"
            logger.error("modules.servicebus.port: applications cannot ask the cloud, cannot listen on %s", where)
            return
        self._listener.start()
        logger.info("applications ask the cloud at http://%s:%d", self._door.server, self._listener.port)

    def _register(self, url: str, wanted: bool) -> None:
        """The cloud says it again at each connect, KubeEdge's once: it is kept."""
        if wanted == (url in self._registered):
            return
        if wanted and (not 0 < len(url) <= MAX_TARGET or len(self._registered) >= MOST_TARGETS):
            logger.warning("%.200r is not registered: it is no URL of up to %d characters, or one too many", url, MAX_TARGET)
            return
        self._registered = self._registered | {url} if wanted else self._registered - {url}
        logger.info("applications may%s ask %s", "" if wanted else " no longer", url)
        try:
            self._database.write(lambda tx: targets.add(tx, url) if wanted else targets.remove(tx, url))
        except StoreError as exc:
            logger.warning("%s is remembered until EdgeCore ends: %s", url, exc)

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
