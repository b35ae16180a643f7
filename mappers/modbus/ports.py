"""Why a serial port cannot be opened, in words: pymodbus says only that it cannot."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import termios
from pathlib import Path

import serial

from mappers.modbus.address import SerialLine


def complaint(line: SerialLine) -> str:
    """What stands in the way, "" when nothing does. Gives the port back at once."""
    port = line.port
    try:
        if not stat.S_ISCHR(os.stat(port).st_mode):
            return "it is no serial port"
        opened = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as exc:
        return _words(port, exc)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return f"it is in use by {_holder(port) or 'another process'}"
    finally:
        # This gives the lock back as well.
        os.close(opened)
    return _settings_complaint(line)


def _settings_complaint(line: SerialLine) -> str:
    try:
        serial.Serial(line.port, baudrate=line.baud_rate, bytesize=line.data_bits, parity=line.parity, stopbits=line.stop_bits).close()
    except (OSError, ValueError, termios.error) as exc:
        return f"it does not take {line} ({exc})"
    return ""


def _words(port: str, fault: OSError) -> str:
    if fault.errno == errno.ENOENT:
        return "there is no such port"
    if fault.errno == errno.EACCES:
        return "it may not be opened; its group can (often dialout), see ls -l"
    if fault.errno == errno.EBUSY:
        return f"it is in use by {_holder(port) or 'another process'}"
    return fault.strerror or str(fault)


def _holder(port: str) -> str:
    """Name and number of the process that locked it, "" where the kernel does not tell (a process outside our container)."""
    try:
        found = os.stat(port)
        place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        for line in Path("/proc/locks").read_text("ascii").splitlines():
            words = line.split()
            if "FLOCK" in words and place in words:
                number = words[words.index(place) - 1]
                return f"{Path('/proc', number, 'comm').read_text().strip()} (process {number})"
    except OSError:
        pass
    return ""
