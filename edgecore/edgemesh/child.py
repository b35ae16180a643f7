"""The door to the proxy: starts it, finds the one that an earlier EdgeCore started, gives it its table, hears what came of it.

It is not ended with EdgeCore: what containers call each other by must not depend on an agent that is being replaced.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import edgecore
import edgecore.edgemesh.proxy

logger = logging.getLogger(__name__)

START_LIMIT = 15.0
"""Seconds in which a proxy that was told something says what came of it."""

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from edgecore.edgemesh.proxy.main import run; run(*sys.argv[2:4])"
_HOME = Path(edgecore.__file__).parent.parent


class ProxyChild:
    """``directory`` (made, mode 0700; best on a tmpfs) is the proxy's. Use it from one thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._version = _version()
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def lay(self, text: str) -> dict[str, str]:
        """Let the proxy do what the table ``text`` says; it is started where there is none. What it could not do, and why.

        Raises:
            OSError: it cannot be started, or says nothing.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._directory / "table.fresh"
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, self._directory / "table")
        if self._find():
            os.kill(self._pid, signal.SIGHUP)
        else:
            self._start()
        return self._outcome(zlib.crc32(text.encode()))

    def adopt(self) -> bool:
        """Whether there is a proxy at work already that can go on with what it was told."""
        return self._find()

    def alive(self) -> bool:
        if self._child is not None:
            if self._child.poll() is None:
                return True
            self._child, self._pid = None, 0
        return bool(self._pid) and _is_proxy(self._pid, self._directory)

    def descriptor(self) -> int | None:
        """A pidfd that becomes readable when the proxy ends; the caller closes it."""
        try:
            return os.pidfd_open(self._pid) if self._pid else None
        except OSError:
            return None

    def _find(self) -> bool:
        """The proxy that is at work, if it is of our version; one of another version makes room."""
        if self.alive():
            return True
        state = self._state()
        pid = int(state.get("pid", "0"))
        if not pid or not _is_proxy(pid, self._directory):
            return False
        if state.get("version") != self._version:
            logger.info("the proxy for Services (pid %d) is of another version: it makes room for ours", pid)
            os.kill(pid, signal.SIGTERM)
            return False
        logger.info("the proxy for Services (pid %d) is still at work", pid)
        self._pid = pid
        return True

    def _start(self) -> None:
        (self._directory / "state").unlink(missing_ok=True)
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        with open(self._directory / "log", "wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_HOME), str(self._directory), self._version],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self._pid = self._child.pid

    def _outcome(self, edition: int) -> dict[str, str]:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            state = self._state()
            if state.get("table") == str(edition) and state.get("pid") == str(self._pid):
                return {what: why for line in state.get("failed", "").split("\n") if line for what, _, why in [line.partition(": ")]}
            if not self.alive():
                raise OSError(f"the proxy for Services ended: {self._last_words()}")
            time.sleep(0.01)
        raise OSError(f"the proxy for Services does not answer within {START_LIMIT:g} s: {self._last_words()}")

    def _state(self) -> dict[str, str]:
        """The lines of its state by their first word; those of one word together."""
        found: dict[str, str] = {}
        try:
            lines = (self._directory / "state").read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        for line in lines:
            word, _, rest = line.partition(" ")
            found[word] = f"{found[word]}\n{rest}" if word in found else rest
        return found

    def _last_words(self) -> str:
        try:
            words = (self._directory / "log").read_text(errors="replace").strip().splitlines()
        except OSError:
            words = []
        return words[-1] if words else "without a word"


def _version() -> str:
    """Of the proxy's program: one that runs another is replaced."""
    sum_ = zlib.crc32(sys.version.encode())
    for file in sorted(Path(edgecore.edgemesh.proxy.__file__).parent.glob("*.py")):
        sum_ = zlib.crc32(file.read_bytes(), sum_)
    return f"{sum_:08x}"


def _is_proxy(pid: int, directory: Path) -> bool:
    """Whether ``pid`` is the proxy of ``directory`` and not somebody who got its number."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(directory).encode() in words and _PROGRAM.encode() in words
