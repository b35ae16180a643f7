"""A wall clock of its own for one program: wrong from the start, or jumping while the program runs."""

from __future__ import annotations

import calendar
import struct
import subprocess
import time
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")


class WallClock:
    """The clock of the programs that are started with ``environment``: the machine's, and some seconds.

    The clock since boot, which all waiting goes by, stays the machine's, as it does on a board that has no battery for its clock. It is
    what all code of a process sees, OpenSSL and SQLite too.
    """

    def __init__(self, folder: Path) -> None:
        """Builds the library in ``folder``; needs a C compiler (Debian: gcc)."""
        folder.mkdir(parents=True, exist_ok=True)
        library, self._file = folder / "wallclock.so", folder / "wallclock"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)], check=True, capture_output=True, timeout=60)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file)}
        self.be_off_by(0)

    def be_off_by(self, seconds: int) -> None:
        """At once, also for programs that run."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))

    def show(self, instant: str) -> None:
        """``1970-01-02``, or ``1970-01-02T03:04:05``; UTC."""
        shape = "%Y-%m-%dT%H:%M:%S" if "T" in instant else "%Y-%m-%d"
        self.be_off_by(int(calendar.timegm(time.strptime(instant, shape)) - time.time()))
