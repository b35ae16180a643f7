"""The door to systemd: datagrams to ``NOTIFY_SOCKET`` (sd_notify(3)). Where it is not set every call does nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, MutableMapping

_TIMES_PER_LIMIT = 4
"""Signs of life within the watchdog's limit: a machine that is slow for a moment is not taken for a dead one."""


class ServiceManager:
    """Tells the manager how this program is. Never raises and never waits: a manager that does not listen is no reason to stop."""

    def __init__(self, address: str = "", *, watchdog: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """``address``: of the socket, ``@`` for an abstract one, or empty. ``watchdog``: seconds without a sign of life that are borne."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._clock = clock
        self._due = clock()
        self.interval = None if watchdog is None or not address else watchdog / _TIMES_PER_LIMIT
        """Seconds between two signs of life, or None where nobody waits for them."""

    def ready(self, status: str) -> None:
        self._say("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        self._say(f"STATUS={status}")

    def stopping(self) -> None:
        self._say("STOPPING=1", "STATUS=stopping")

    def alive(self) -> None:
        """A sign of life, sent when one is due: loops may call it as often as they like."""
        if self.interval is not None and self._clock() >= self._due:
            self._due = self._clock() + self.interval
            self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.setblocking(False)
            out.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), self._address)


def service_manager(environment: MutableMapping[str, str] | None = None) -> ServiceManager:
    """The manager that started this process. Its variables are taken out of ``environment`` (default: the process's own), since what we
    start in turn must not speak for us: a Podman that finds them hands them to containers."""
    environment = os.environ if environment is None else environment
    address = environment.pop("NOTIFY_SOCKET", "")
    watchdog = watchdog_limit(environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", ""), os.getpid())
    return ServiceManager(address, watchdog=watchdog)


def watchdog_limit(microseconds: str, pid: str, own_pid: int) -> float | None:
    """Seconds after which the manager takes this process for dead; None: it does not look, or at another process."""
    if not (microseconds.isascii() and microseconds.isdigit()) or int(microseconds) == 0:
        return None
    return int(microseconds) / 1e6 if pid in ("", str(own_pid)) else None
