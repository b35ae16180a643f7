"""How EdgeHub reaches the cloud: with this node's identity, which is fetched with the config's token where there is none yet, and renewed
when its time has come or the cloud says that it is over, at a time that the cloud's CA signs where the board's clock is doubted. All of it
may wait, on threads of its own; nothing else on the board waits for it (promises A1, A5)."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgecore import cloudlink
from edgecore.certs import rotation
from edgecore.certs.clock import SignedClock
from edgecore.certs.files import IdentityFiles, settle, stored_identity
from edgecore.certs.identity import NodeIdentity
from edgecore.cloudlink import CloudLink, Identity, Timeouts
from edgecore.errors import CloudOutOfDate, IdentityError, LinkError, LinkRefused, NodeOutOfDate
from viaduct import tunnel
from viaduct.handshake import (
    HEADER_MODES,
    HEADER_NODE,
    HEADER_PING,
    HEADER_PROJECT,
    HEADER_USE,
    USE_MESSAGES,
    USE_STREAMS,
    Mode,
    events_path,
    streams_path,
)

logger = logging.getLogger(__name__)

_LOOK_EVERY = 600.0
_ASK_AGAIN = 10.0
"""Seconds between two questions for the time: each costs a process."""

_SIGNED_FOR = 86_400.0
"""Seconds after which a signed time that was carried on is confirmed before a certificate is renewed by it."""

_RESOLVE_EVERY = 6
"""Most attempts go to the address of the last link: where the network is away the name server is too, and asking it takes long."""


@dataclass(frozen=True, slots=True)
class Address:
    """``server`` is HOST:PORT; ``ping``: the seconds between two pings of an idle link that are asked for."""

    server: str
    project: str
    node: str
    ping: int = 180

    @property
    def url(self) -> str:
        return f"wss://{self.server}{events_path(self.project, self.node)}"

    @property
    def streams_url(self) -> str:
        return f"wss://{self.server}{streams_path(self.project, self.node)}"

    @property
    def stream_headers(self) -> Mapping[str, str]:
        return {HEADER_NODE: self.node, HEADER_PROJECT: self.project, HEADER_USE: USE_STREAMS}

    @property
    def headers(self) -> Mapping[str, str]:
        return {
            HEADER_NODE: self.node,
            HEADER_PROJECT: self.project,
            HEADER_USE: USE_MESSAGES,
            HEADER_MODES: f"{Mode.LEDGER}, {Mode.PLAIN}",
            HEADER_PING: str(self.ping),
        }


class Dialing:
    """Called by EdgeHub's dialer for each attempt."""

    def __init__(
        self,
        address: Address,
        files: IdentityFiles,
        timeouts: Timeouts,
        *,
        clock: SignedClock,
        enrol: Callable[[], NodeIdentity] | None = None,
        renew: Callable[[], None] | None = None,
        ask_time: Callable[[], int | None] = lambda: None,
    ) -> None:
        """The three may take a minute and raise IdentityError. ``enrol`` gets the first certificate, None where there is no token for it;
        ``renew`` replaces one that is out of date, None where that is not wanted; ``ask_time`` as in certs/renewal.py."""
        self._address = address
        self._files = files
        self._timeouts = timeouts
        self._clock = clock
        self._enrol = enrol
        self._renew = renew
        self._ask_time = ask_time
        self._asked_at = -_ASK_AGAIN
        self._known = ""
        self._failures = 0

    def __call__(self) -> CloudLink:
        """Raises LinkError."""
        try:
            settle(self._files)
            if not self._files.certificate.exists() and self._enrol is not None:
                logger.info("this node has no certificate yet: asking the cloud for one")
                self._enrol()
        except IdentityError as exc:
            raise LinkError(f"this node has no identity: {exc}") from exc
        try:
            return self._connect()
        except CloudOutOfDate as exc:
            self._hear_time(exc)
        except NodeOutOfDate as exc:
            self._replace_certificate(exc)
        return self._connect()

    def streams(self) -> CloudLink:
        """The second connection (P7.7), to where the first one leads and judged as that one was. Raises LinkError."""
        return cloudlink.connect(
            self._address.streams_url,
            self._address.stream_headers,
            self._identity(),
            self._timeouts,
            address=self._known,
            now=self._clock.now,
            most=tunnel.MAX_FRAME_BYTES,
        )

    def _identity(self) -> Identity:
        return Identity(self._files.ca, self._files.certificate, self._files.key)

    def _connect(self) -> CloudLink:
        known = self._known if self._failures % _RESOLVE_EVERY else ""
        self._failures += 1
        link = cloudlink.connect(
            self._address.url, self._address.headers, self._identity(), self._timeouts, address=known, now=self._clock.now
        )
        self._known, self._failures = link.address, 1
        return link

    def _hear_time(self, doubt: CloudOutOfDate) -> None:
        """The next attempt judges by a signed time. Raises LinkError: there is none to be had, or it was judged by one already."""
        age = self._clock.age()
        if time.monotonic() - self._asked_at < _ASK_AGAIN or (age is not None and age < _LOOK_EVERY):
            raise doubt
        self._asked_at = time.monotonic()
        try:
            signed = self._ask_time()
        except IdentityError as exc:
            raise LinkError(f"{doubt}; asking for a signed time: {exc}") from exc
        if signed is None:
            raise doubt
        self._clock.hear(signed)
        logger.warning("the time, as the cloud signs it, is %s; this board's own clock is not relied on", _date(signed))

    def _replace_certificate(self, refusal: NodeOutOfDate) -> None:
        if self._renew is None:
            raise refusal
        logger.info("the cloud says that this node's certificate is out of date: renewing it")
        try:
            self._renew()
        except IdentityError as exc:
            raise LinkRefused(f"this node's certificate is out of date and could not be renewed: {exc}") from exc


class Renewal:
    """Looks at once and now and then whether the certificate is due, on a thread of its own: it must not hold up a reconnect."""

    def __init__(
        self,
        files: IdentityFiles,
        renew: Callable[[], NodeIdentity],
        *,
        clock: SignedClock,
        ask_time: Callable[[], int | None] = lambda: None,
        look_every: float = _LOOK_EVERY,
    ) -> None:
        self._files = files
        self._renew = renew
        self._clock = clock
        self._ask_time = ask_time
        self._look_every = look_every
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait: a renewal under way is finished or forgotten by ``settle`` at the next start."""
        self._stopping.set()

    def renew(self) -> None:
        """Renew now, unless another thread does so meanwhile. Raises: IdentityError; the old certificate stays."""
        before = stored_identity(self._files)
        with self._turn:
            if stored_identity(self._files) == before:
                fresh = self._renew()
                logger.info("the certificate was renewed; it is good until %s", _date(fresh.not_after))

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                if self._is_due():
                    self.renew()
                failures = 0
            except IdentityError as exc:
                failures += 1
                logger.warning("the certificate could not be renewed: %s", exc)
            self._stopping.wait(rotation.retry_s(failures, random.random()) if failures else self._look_every)

    def _is_due(self) -> bool:
        """A clock that runs ahead makes nothing due: before anything is asked for by it the cloud is asked what time it is."""
        identity = stored_identity(self._files)
        if identity is None or not rotation.is_due(identity, self._clock.now()):
            return False
        age = self._clock.age()
        if (age is None or age > _SIGNED_FOR) and (signed := self._ask_time()) is not None:
            self._clock.hear(signed)
        return rotation.is_due(identity, self._clock.now())


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
