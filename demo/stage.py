"""Processes, ports and waiting: what the demo, the system tests and the bench stand on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

BIN = Path(sys.executable).parent
"""Where the programs of this checkout's virtual environment are."""

PATIENCE = float(os.environ.get("PATIENCE", "1"))
"""How many times its usual limit a wait may last, on a machine that is slow or does other work too."""


class Failed(Exception):
    """Something did not come true; the text says what and shows the last thing seen."""


def free_port(preferred: int = 0) -> int:
    """``preferred`` on loopback if nobody has it, else one that the kernel picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failed("no free port on 127.0.0.1")


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), 1.0):
            return True
    except OSError:
        return False


def wait_for(what: str, claim: Callable[[], T | None], *, within: float, every: float = 0.1) -> T:
    """What ``claim`` gives as soon as it is truthy.

    Raises:
        Failed: not within ``within`` seconds (times PATIENCE); names ``what`` and the last error of ``claim``.
    """
    deadline = time.monotonic() + within * PATIENCE
    last = ""
    while True:
        try:
            value = claim()
            if value:
                return value
        except (OSError, ValueError, KeyError, IndexError, TypeError, Failed, subprocess.SubprocessError) as exc:
            last = f" (last: {exc})"
        if time.monotonic() >= deadline:
            raise Failed(f"{what}: not within {within * PATIENCE:g} s{last}")
        time.sleep(every)


def run(*command: str | Path, timeout: float = 60.0, env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
    """The standard output of a command that must succeed.

    Raises:
        Failed: it ended with another code than 0; carries what it printed.
    """
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=timeout * PATIENCE,
        env={**os.environ, **(env or {})},
        input=stdin,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(str(part) for part in command)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@dataclass
class Running:
    """A process that we started, with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, timeout: float = 25.0) -> None:
        """SIGTERM, and SIGKILL after ``timeout`` seconds."""
        if self.alive():
            self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.process.kill()
        self.process.wait(10)

    def tail(self, lines: int = 15) -> str:
        try:
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return ""


class Stage:
    """Processes started in ``folder`` (logs, and a list of them for a later clean-up), stopped in the reverse order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._running: list[Running] = []

    def start(self, name: str, *command: str | Path, env: Mapping[str, str] | None = None) -> Running:
        log = self.folder / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        running = Running(name, process, log)
        self._running.append(running)
        self._write_list()
        return running

    def forget(self, running: Running) -> None:
        """It has been stopped by the caller."""
        self._running.remove(running)
        self._write_list()

    def dead(self) -> Running | None:
        """The first process that ended by itself."""
        return next((running for running in self._running if not running.alive()), None)

    def stop(self) -> None:
        for running in reversed(self._running):
            running.stop()
        self._running.clear()
        self._write_list()

    def _write_list(self) -> None:
        entries = [{"name": r.name, "pid": r.pid, "born": born(r.pid)} for r in self._running]
        if self.folder.exists():  # else `make demo-down` was here, and its folder must not come back
            (self.folder / "processes.json").write_text(json.dumps(entries))


def born(pid: int) -> str:
    """The start time of a process in clock ticks since boot: with it a pid names one process only. Empty when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return "" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return ""


def stop_left_over(folder: Path, timeout: float = 25.0) -> list[str]:
    """End the processes that an earlier stage in ``folder`` left running; their names."""
    try:
        entries = json.loads((folder / "processes.json").read_text())
    except (OSError, ValueError):
        return []
    left = [entry for entry in reversed(entries) if entry["born"] and born(entry["pid"]) == entry["born"]]
    for entry in left:
        os.kill(entry["pid"], signal.SIGTERM)
    deadline = time.monotonic() + timeout
    for entry in left:
        while born(entry["pid"]) == entry["born"] and time.monotonic() < deadline:
            time.sleep(0.1)
        if born(entry["pid"]) == entry["born"]:
            os.kill(entry["pid"], signal.SIGKILL)
    return [entry["name"] for entry in left]
