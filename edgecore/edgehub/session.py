"""The rim of EdgeHub: one thread that dials and reads, one that writes. They may wait; EdgeHub's loop never does.

The reader gives answers to EdgeHub and everything else straight to the module that it is for, waiting for room there: so a busy module
slows the cloud down (TCP) instead of losing messages.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edgecore.beehive.backoff import Backoff
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.switchboard import Switchboard
from edgecore.cloudlink import CloudLink
from edgecore.edgehub import routing
from edgecore.edgehub.counts import HubCounts
from edgecore.edgehub.pulse import Signs
from edgecore.errors import Busy, LinkError, LinkRefused
from viaduct.codec import decode
from viaduct.errors import MalformedMessage
from viaduct.handshake import Mode, choose_mode, ping_interval
from viaduct.message import Message

logger = logging.getLogger(__name__)

FIRST_DELAY = 0.5
LONGEST_DELAY = 1.3
JITTER = 0.3
"""A cloud that can be reached again is found within 2 s (P2.6): 1.3 s and 30 % of it, plus the attempt."""

LONGEST_DELAY_REFUSED = 60.0
STEADY_AFTER = 5.0
"""A link that lived so long (seconds) lets the next delays begin small again."""

_PING = ("", "")
_LEAST_SHARE = 0.2
_ROOM_TIMEOUT = 10.0
_SAY_AGAIN = 600
"""Attempts between two log lines about the same failure."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """``ping``: the agreed seconds between two pings of an idle link; None: the cloud wants keepalives."""

    session: Session
    mode: Mode
    ping: int | None = None


@dataclass(frozen=True, slots=True)
class LinkDown:
    session: Session
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of the cloud. ``session`` says on which connection, so that a late one of an earlier connection is known."""

    session: Session
    message: Message


@dataclass(frozen=True, slots=True)
class Written:
    """``msg_id`` went into the socket: all that can be known in plain mode (P4.7)."""

    session: Session
    msg_id: str


class Session:
    """One connection: a queue to its writer, and the gate that holds its reader back until EdgeHub has greeted the modules."""

    def __init__(self, link: CloudLink, tell_written: Callable[[Session, str], None] | None) -> None:
        self._link = link
        self._tell_written = tell_written
        self._outgoing: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._written = time.monotonic()
        self._pinged = 0.0
        self._writer = threading.Thread(target=self._write, name="hub-writer", daemon=True)
        self.opened = threading.Event()
        self.closed = False
        self.why = ""
        self._writer.start()

    def send(self, text: str, msg_id: str = "") -> None:
        """Queue for the writer. What goes in is bounded by the windows of both ends."""
        self._outgoing.put((text, msg_id))

    def ping(self) -> None:
        self._outgoing.put(_PING)

    @property
    def signs(self) -> Signs:
        """A ping that still waits in the kernel, behind what else was said, counts as written now; TCP ends a link that takes nothing."""
        heard = self._link.heard_at
        if self._pinged > heard and not self._link.drained:
            self._pinged = time.monotonic()
        return Signs(self._written, self._pinged, heard)

    def close(self, why: str = "") -> None:
        """``why``: said instead of how the reader learns of it."""
        self.why = self.why or why
        self.closed = True
        self.opened.set()
        self._outgoing.put(None)
        self._link.close()

    def receive(self) -> bytes:
        return self._link.receive()

    def _write(self) -> None:
        while (item := self._outgoing.get()) is not None:
            msg_id = item[1]
            try:
                self._write_one(item)
            except LinkError as exc:
                logger.debug("%s", exc)
                self._link.close()
                return
            if msg_id and self._tell_written is not None:
                self._tell_written(self, msg_id)

    def _write_one(self, item: tuple[str, str]) -> None:
        if item is _PING:
            self._link.ping()
            self._pinged = time.monotonic()
        else:
            self._link.send_text(item[0])
        self._written = time.monotonic()


class Dialer:
    """Keeps a connection as long as it runs, and tells EdgeHub's mailbox."""

    def __init__(self, dial: Callable[[], CloudLink], switchboard: Switchboard, hub: Mailbox, counts: HubCounts) -> None:
        self._counts = counts
        self._dial = dial
        self._switchboard = switchboard
        self._hub = hub
        self._stopping = threading.Event()
        self._session: Session | None = None
        self._said = ""
        self._said_at = 0
        self._thread = threading.Thread(target=self._run, name="hub-reader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 3.0) -> None:
        self._stopping.set()
        session = self._session
        if session is not None:
            session.close()
        self._thread.join(timeout)

    def _run(self) -> None:
        backoff = Backoff(FIRST_DELAY, LONGEST_DELAY, jitter=JITTER)
        refused = Backoff(FIRST_DELAY, LONGEST_DELAY_REFUSED, jitter=JITTER)
        while not self._stopping.is_set():
            delay = backoff
            began = time.monotonic()
            spent = 0.0
            try:
                link = self._dial()
            except LinkError as exc:
                delay = refused if isinstance(exc, LinkRefused) else backoff
                self._complain(str(exc), delay.failures)
                spent = time.monotonic() - began
            except Exception:
                logger.exception("dialing the cloud failed")
            else:
                self._said = ""
                self._converse(link)
                if time.monotonic() - began > STEADY_AFTER:
                    backoff.reset()
                    refused.reset()
            wait = delay.next()
            self._stopping.wait(max(wait - spent, wait * _LEAST_SHARE))  # an attempt that took long was a part of the wait

    def _complain(self, text: str, failures: int) -> None:
        """Once for each cause, and now and then while it lasts."""
        if text != self._said or failures - self._said_at >= _SAY_AGAIN:
            logger.warning("no link to the cloud: %s", text)
            self._said, self._said_at = text, failures

    def _converse(self, link: CloudLink) -> None:
        mode = choose_mode(link.headers)
        session = Session(link, self._written if mode is Mode.PLAIN else None)
        self._session = session
        reason = "closed here"
        try:
            self._tell(LinkUp(session, mode, _agreed_ping(link, mode)))
            session.opened.wait()
            while not self._stopping.is_set():
                self._take(session, session.receive())
        except LinkError as exc:
            reason = session.why or str(exc)
        except Exception as exc:
            reason = f"{type(exc).__name__}: {exc}"
            logger.exception("reading from the cloud failed")
        finally:
            session.close()
            self._session = None
            self._tell(LinkDown(session, reason))

    def _tell(self, letter: object) -> None:
        """These letters must not be lost: wait for room as long as EdgeHub runs."""
        while not self._stopping.is_set() and not self._hub.closed:
            if self._hub.place_from_rim(letter, 1.0):
                return

    def _written(self, session: Session, msg_id: str) -> None:
        self._tell(Written(session, msg_id))

    def _take(self, session: Session, frame: bytes) -> None:
        try:
            message = decode(frame)
        except MalformedMessage as exc:
            self._counts.refused_frames += 1
            logger.warning("the cloud sent what is not a message: %s", exc)
            return
        if routing.is_answer(message):
            self._tell(Answered(session, message))
        else:
            self._pass_on(message)

    def _pass_on(self, message: Message) -> None:
        """To the modules of the message's group; where one takes nothing for too long the message is dropped, and not acknowledged."""
        group = routing.edge_group(message)
        members = self._switchboard.members(group) if group else ()
        if not members:
            logger.warning(
                "the cloud's %s %s is for group %r: nobody takes it", message.route.operation, message.route.resource, message.route.group
            )
        for name in members:
            try:
                self._switchboard.send_from_rim(name, message, timeout=_ROOM_TIMEOUT)
            except Busy as exc:
                logger.warning("%s %s was not taken: %s", message.route.operation, message.route.resource, exc)


def _agreed_ping(link: CloudLink, mode: Mode) -> int | None:
    try:
        return ping_interval(link.headers) if mode is Mode.LEDGER else None
    except ValueError as exc:
        logger.warning("the cloud's answer: %s; keepalives are sent instead", exc)
        return None
