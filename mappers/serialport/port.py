"""The door to pyserial: one serial port. The fault of an unplugged adapter comes in many kinds, and leaves as DeviceAway."""

from __future__ import annotations

import errno
import os
import termios
import threading
from typing import Any

import serial

from mappers.sdk.errors import DeviceAway
from mappers.serialport.address import PortSettings

CHUNK = 4096
"""Most bytes of one read: what the kernel keeps of a port."""

_FAULTS = (OSError, ValueError, TypeError, termios.error)
"""``SerialException`` is an OSError; pyserial lets through the others where a port vanishes between two of its own calls."""

_WORDS = {
    errno.ENOENT: "it is not there: unplugged, or named differently (see /dev/serial/by-id)",
    errno.EACCES: "not allowed: the mapper's user must be in the group dialout",
    errno.EAGAIN: "another program has it",
    errno.EBUSY: "another program has it",
}


class SerialPort:
    """``read`` belongs to one thread; ``write`` and ``wake`` to any. Whoever reads closes."""

    def __init__(self, settings: PortSettings, *, write_timeout: float) -> None:
        """Raises DeviceAway."""
        self._path = settings.path
        self._lock = threading.Lock()
        try:
            self._serial: Any = serial.Serial(
                settings.path,
                baudrate=settings.baud_rate,
                bytesize=settings.data_bits,
                parity=settings.parity,
                stopbits=settings.stop_bits,
                xonxoff=settings.is_xonxoff,
                rtscts=settings.is_rtscts,
                timeout=None,
                write_timeout=write_timeout,
                # Two programs that ask on one line would each hear the other's answers.
                exclusive=True,
            )
        except _FAULTS as exc:
            raise DeviceAway(f"{settings.path} cannot be opened: {_said(exc)}") from exc

    def read(self) -> bytes:
        """What came; waits for the first byte, or until ``wake``: then it is empty. Raises DeviceAway."""
        try:
            first = self._serial.read(1)
            return bytes(first + self._serial.read(min(self._serial.in_waiting, CHUNK - 1)) if first else b"")
        except _FAULTS as exc:
            raise DeviceAway(f"{self._path} is gone: {exc}") from exc

    def write(self, data: bytes) -> None:
        """Raises DeviceAway, also where the device holds us up for longer than the write timeout."""
        try:
            with self._lock:
                self._serial.write(data)
        except _FAULTS as exc:
            raise DeviceAway(f"{self._path} cannot be written: {exc}") from exc

    def wake(self) -> None:
        try:
            self._serial.cancel_read()
        except (AttributeError, *_FAULTS):
            # It is closed already.
            pass

    def close(self) -> None:
        try:
            with self._lock:
                self._serial.close()
        except _FAULTS:
            pass


def _said(exc: Exception) -> str:
    number = getattr(exc, "errno", None)
    return _WORDS.get(number or 0) or (os.strerror(number) if number else str(exc))
