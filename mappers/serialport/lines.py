"""Bytes of a serial port to lines, in bounded memory whatever comes. Pure."""

from __future__ import annotations

MAX_LINE = 1024
"""Bytes; a longer line is no line of an instrument (a wrong baud rate has no line ends at all), and is dropped whole."""


class LineSplitter:
    """``dropped``: lines that were too long."""

    def __init__(self, ending: bytes) -> None:
        self.dropped = 0
        self._ending = ending
        self._rest = b""
        self._is_too_long = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends and without blank ones."""
        *lines, self._rest = (self._rest + data).split(self._ending)
        if lines and self._is_too_long:
            # The end of a line whose beginning was dropped.
            lines.pop(0)
            self._is_too_long = False
        if len(self._rest) > MAX_LINE + len(self._ending):
            if not self._is_too_long:
                self.dropped += 1
            self._is_too_long = True
            # An end of several bytes may have come half.
            self._rest = self._rest[-len(self._ending) :]
        stripped = [line.strip() for line in lines]
        self.dropped += sum(len(line) > MAX_LINE for line in stripped)
        return [line for line in stripped if 0 < len(line) <= MAX_LINE]

    def forget(self) -> None:
        """What came before is no beginning of what comes next."""
        self._rest = b""
        self._is_too_long = False
