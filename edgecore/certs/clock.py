"""What time it is, on a board whose clock may stand in 1970 or run ahead (P2.9). The system's clock is read here and never set."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgecore.certs.files import read_file, write_whole
from edgecore.errors import IdentityError

_DIGITS = 11


def since_boot() -> float:
    """Seconds that no setting of the clock disturbs."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SignedClock:
    """A signed time that was heard counts, carried on; until one is heard in this process the board's own clock, but never a time before
    the last signed one in ``file``: who sets a board's clock back does not make an old certificate good again.

    The newest signed time replaces an earlier one even if it is lower: a cloud's clock that ran ahead for a day must not shut boards out
    for years, and nobody but who has the CA's key can say a time (each answers a fresh nonce).
    """

    def __init__(self, file: Path, *, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = since_boot) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._floor = last_signed(file)
        self._heard: tuple[float, float] | None = None

    def now(self) -> float:
        """Epoch seconds."""
        heard = self._heard
        if heard is None:
            return max(self._wall(), self._floor)
        return heard[0] + self._elapsed() - heard[1]

    def hear(self, signed: float) -> None:
        self._heard = (signed, self._elapsed())

    def age(self) -> float | None:
        """Seconds since a signed time was heard; None where none was."""
        heard = self._heard
        return None if heard is None else self._elapsed() - heard[1]


def last_signed(file: Path) -> float:
    """The signed time that was written down; 0 where there is none that can be read."""
    with suppress(IdentityError):
        text = read_file(file).strip()
        if text.isdigit() and len(text) <= _DIGITS:
            return float(text)
    return 0.0


def write_down(file: Path, signed: int) -> None:
    """Raises: IdentityError: the disk refused."""
    write_whole(file, b"%d\n" % signed, 0o644)
