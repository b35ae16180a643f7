"""The proxy as a process of its own: ``run(directory)``. Little of the standard library: it is there on every board that runs pods.

``<directory>/table`` says what to do (``table.py``); SIGHUP: read it again. ``<directory>/state`` says what came of it. SIGTERM: give up
every listening socket now, let connections go on until they end. It outlives EdgeCore, for the containers do too, and ends by itself
when EdgeCore is gone and so is every container that it is there for.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # as signal, without its enumerations (sockets.py)
import fcntl
import os
import resource
import sys
import time
import zlib
from collections.abc import Callable

from edgecore.edgemesh.proxy import routes, table
from edgecore.edgemesh.proxy import sockets as socket
from edgecore.edgemesh.proxy.link import Link
from edgecore.edgemesh.proxy.listeners import TCPListener, UDPListener
from edgecore.edgemesh.proxy.loop import READ, Loop, Timer
from edgecore.edgemesh.proxy.names import NameServer

MOST_LINKS = 1000
LONGEST_RETIREMENT = 3600.0
_LOCK_LIMIT = 3.0
_AGAIN = 2.0
_Key = tuple[str, str, int]


def run(directory: str, version: str, resolv_conf: str = "/etc/resolv.conf") -> None:
    """``version``: of this program, as whoever starts it calls it."""
    Proxy(directory, version, resolv_conf).run()


class Proxy:
    def __init__(self, directory: str, version: str, resolv_conf: str) -> None:
        self._directory = directory
        self._version = version
        self._resolv_conf = resolv_conf
        self._loop = Loop()
        self._table = table.Table()
        self._edition = 0
        self._listeners: dict[_Key, TCPListener | UDPListener] = {}
        self._failures: dict[str, str] = {}
        self._links: set[Link] = set()
        self._names: NameServer | None = None
        self._owned: set[str] = set()
        self._alive: dict[int, int] = {}
        self._again: Timer | None = None
        self._said = ""
        self._retiring = False
        self._most = _room()
        self._lock = os.open(self._path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def run(self) -> None:
        if not self._locked(_LOCK_LIMIT):
            sys.exit("another proxy is at work in " + self._directory)
        self._hear_signals()
        self._owned = {address for address in self._read("addresses").split() if _is_still_ours(address)}
        self._read_table()
        self._loop.run()
        self._leave()

    def _leave(self) -> None:
        """Whoever took over holds the lock, and the addresses are theirs."""
        if self._locked(0.0):
            self._disown(set(self._read("addresses").split()))
            if os.path.exists(self._path("state")):
                os.unlink(self._path("state"))

    def _locked(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.01)

    def _hear_signals(self) -> None:
        ours, kernels = socket.socketpair()
        kernels.setblocking(False)
        signal.set_wakeup_fd(kernels.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._kernels = kernels

        def heard(events: int) -> None:
            numbers = ours.recv(64)
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                self._retire()
            elif not self._retiring:
                self._read_table()

        self._loop.watch(ours.fileno(), READ, heard)

    def _read_table(self) -> None:
        text = self._read("table")
        try:
            self._table = table.read(text)
        except (ValueError, IndexError) as exc:
            self._say_state(f"unread {exc}")
            return
        self._edition = zlib.crc32(text.encode())
        self._follow_processes()
        if self._alive:
            self._apply()
        else:
            self._end()

    def _apply(self) -> None:
        """Addresses first, then who listens on them; what fails is tried again, because the one who stands in the way may go."""
        if self._retiring:
            return
        self._failures = {}
        wanted = self._table.addresses | ({self._table.dns} if self._table.dns else set())
        self._own_addresses(wanted)
        self._serve_names()
        for key in [key for key in self._listeners if key not in self._table.listeners]:
            self._listeners.pop(key).close()
        for key, listener in self._table.listeners.items():
            self._listen(key, listener)
        self._disown(self._owned - wanted)
        self._say_state()
        if self._again is not None:
            self._again.cancel()
        self._again = self._loop.later(_AGAIN, self._apply) if self._failures else None

    def _own_addresses(self, wanted: set[str]) -> None:
        with open("/proc/net/route", encoding="ascii") as file:
            known = file.read()
        for address in sorted(wanted - self._owned):
            interface = routes.neighbours(known, address) if address != self._table.dns else ""
            if interface:
                self._failures[f"address {address}"] = f"it lies on the network of {interface}"
                continue
            try:
                if not routes.own(address):
                    self._failures[f"address {address}"] = "it is another one's on this machine"
                    continue
            except OSError as exc:
                self._failures[f"address {address}"] = str(exc.strerror)
                continue
            self._owned.add(address)
            self._remember_addresses()

    def _disown(self, addresses: set[str]) -> None:
        for address in addresses:
            try:
                routes.disown(address)
            except OSError:
                continue
            self._owned.discard(address)
        if addresses:
            self._remember_addresses()

    def _serve_names(self) -> None:
        if self._names is not None or not self._table.dns:
            return
        try:
            self._names = NameServer(self._loop, self._table.dns, lambda: self._table, self._begin_link, resolv_conf=self._resolv_conf)
        except OSError as exc:
            self._failures[f"dns {self._table.dns}"] = str(exc.strerror)

    def _listen(self, key: _Key, listener: table.Listener) -> None:
        there = self._listeners.get(key)
        if there is not None:
            there.listener = listener
            return
        protocol, address, port = key
        if f"address {address}" in self._failures:
            return
        try:
            if protocol == "udp":
                self._listeners[key] = UDPListener(self._loop, listener)
            else:
                self._listeners[key] = TCPListener(self._loop, listener, self._links, full=self._is_full, ended=self._link_ended)
        except OSError as exc:
            self._failures[f"listen {protocol} {address} {port}"] = str(exc.strerror)

    def _is_full(self) -> bool:
        return len(self._links) >= self._most

    def _begin_link(self, link: Link) -> None:
        """Of the name server, which bounds its own."""
        link.start()

    def _link_ended(self, link: Link) -> None:
        was_full = self._is_full()
        self._links.discard(link)
        if was_full:
            for listener in self._listeners.values():
                listener.resume()
        if self._retiring and not self._links:
            self._loop.stop()

    def _follow_processes(self) -> None:
        wanted = self._table.serve | ({self._table.edgecore} if self._table.edgecore else set())
        for pid in [pid for pid in self._alive if pid not in wanted]:
            self._unfollow(pid)
        for pid in wanted - self._alive.keys():
            try:
                self._alive[pid] = os.pidfd_open(pid)
            except OSError:
                continue
            self._loop.watch(self._alive[pid], READ, self._at_the_end_of(pid))

    def _at_the_end_of(self, pid: int) -> Callable[[int], None]:
        def ended(events: int) -> None:
            self._unfollow(pid)
            if not self._alive:
                self._end()

        return ended

    def _unfollow(self, pid: int) -> None:
        descriptor = self._alive.pop(pid)
        self._loop.forget(descriptor)
        os.close(descriptor)

    def _end(self) -> None:
        """Nobody is left for whom to be here."""
        self._give_up_sockets()
        self._loop.stop()

    def _retire(self) -> None:
        """Another one may take over the addresses; what goes through here goes on, and needs them until then."""
        if self._retiring:
            return
        self._retiring = True
        self._give_up_sockets()
        if not self._links:
            self._loop.stop()
            return
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        self._loop.later(LONGEST_RETIREMENT, self._loop.stop)

    def _give_up_sockets(self) -> None:
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        if self._names is not None:
            self._names.close()
            self._names = None

    def _say_state(self, more: str = "") -> None:
        lines = [f"pid {os.getpid()}", f"version {self._version}", f"table {self._edition}"]
        lines += [f"failed {what}: {why}" for what, why in sorted(self._failures.items())]
        text = "\n".join([*lines, *([more] if more else []), ""])
        if text != self._said:
            self._write("state", text)
            self._said = text

    def _remember_addresses(self) -> None:
        self._write("addresses", "\n".join(sorted(self._owned)) + "\n")

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _read(self, name: str) -> str:
        try:
            with open(self._path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def _write(self, name: str, text: str) -> None:
        fresh = self._path(name + ".fresh")
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, self._path(name))


def _is_still_ours(address: str) -> bool:
    """Of a predecessor's: it is there, or is taken again."""
    try:
        routes.own(address)
    except OSError:
        return False
    return True


def _room() -> int:
    """How many connections there may be: two descriptors each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_LINKS + 512
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(16, min(MOST_LINKS, (soft - 512) // 2))
