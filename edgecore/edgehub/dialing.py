"""How EdgeHub reaches the cloud: with this node's identity, which is fetched with the config's token where there is none yet, and renewed
when its time has come. All of it on the dialing thread, which may wait; nothing else on the board waits for it (promises A1, A5)."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgecore import cloudlink
from edgecore.certs import rotation
from edgecore.certs.files import IdentityFiles, settle, stored_identity
from edgecore.certs.identity import NodeIdentity
from edgecore.cloudlink import CloudLink, Identity, Timeouts
from edgecore.errors import IdentityError, LinkError
from viaduct.handshake import HEADER_MODES, HEADER_NODE, HEADER_PROJECT, HEADER_USE, USE_MESSAGES, Mode, events_path

logger = logging.getLogger(__name__)

_LOOK_EVERY = 600.0
_RESOLVE_EVERY = 6
"""Most attempts go to the address of the last link: where the network is away the name server is too, and asking it takes long."""


@dataclass(frozen=True, slots=True)
class Address:
    """``server`` is HOST:PORT."""

    server: str
    project: str
    node: str

    @property
    def url(self) -> str:
        return f"wss://{self.server}{events_path(self.project, self.node)}"

    @property
    def headers(self) -> Mapping[str, str]:
        return {
            HEADER_NODE: self.node,
            HEADER_PROJECT: self.project,
            HEADER_USE: USE_MESSAGES,
            HEADER_MODES: f"{Mode.LEDGER}, {Mode.PLAIN}",
        }


class Dialing:
    """Called by EdgeHub's dialer for each attempt."""

    def __init__(self, address: Address, files: IdentityFiles, timeouts: Timeouts, enrol: Callable[[], NodeIdentity] | None) -> None:
        """``enrol`` gets the first certificate (it may take a minute and raises IdentityError); None where there is no token for it."""
        self._address = address
        self._files = files
        self._timeouts = timeouts
        self._enrol = enrol
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
        identity = Identity(self._files.ca, self._files.certificate, self._files.key)
        known = self._known if self._failures % _RESOLVE_EVERY else ""
        self._failures += 1
        link = cloudlink.connect(self._address.url, self._address.headers, identity, self._timeouts, address=known)
        self._known, self._failures = link.address, 1
        return link


class Renewal:
    """Looks now and then whether the certificate is due, on a thread of its own: a renewal must not hold up a reconnect."""

    def __init__(self, files: IdentityFiles, renew: Callable[[], NodeIdentity], *, look_every: float = _LOOK_EVERY) -> None:
        self._files = files
        self._renew = renew
        self._look_every = look_every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait: a renewal under way is finished or forgotten by ``settle`` at the next start."""
        self._stopping.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.wait(rotation.retry_s(failures, random.random()) if failures else self._look_every):
            identity = stored_identity(self._files)
            if identity is None or not rotation.is_due(identity, time.time()):
                continue
            try:
                fresh = self._renew()
                failures = 0
                logger.info("the certificate was renewed; it is good until %s", time.strftime("%Y-%m-%d", time.gmtime(fresh.not_after)))
            except IdentityError as exc:
                failures += 1
                logger.warning("the certificate could not be renewed: %s", exc)
