"""Programs that an EdgeCore which was killed has left behind, known again by the words they were started with.

A file with the process id would not do: EdgeCore can be killed between the start of a program and the writing of its id, and then the
program would run for ever beside its successor.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def started_with(*words: str, proc: Path = Path("/proc")) -> list[int]:
    """The processes of this machine whose command line has all of ``words``; ourselves never."""
    wanted = {os.fsencode(word) for word in words}
    found = []
    for entry in proc.iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if wanted <= set(command.split(b"\0")):
                found.append(int(entry.name))
    return sorted(found)


def end(pid: int, patience: float, *, by_force: bool) -> bool:
    """SIGTERM, and with ``by_force`` SIGKILL after ``patience`` seconds. False: it still runs."""
    signals = (signal.SIGTERM, signal.SIGKILL) if by_force else (signal.SIGTERM,)
    for number in signals:
        try:
            os.kill(pid, number)
        except OSError:
            return True
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not _runs(pid):
                return True
            time.sleep(0.02)
    return False


def _runs(pid: int) -> bool:
    """A process that has ended and whose parent has not looked yet has no words any more."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False
