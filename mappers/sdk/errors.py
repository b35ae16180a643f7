"""What can go wrong in a mapper, told apart by what the caller can do about it."""

from __future__ import annotations

from viaduct import faults


class MapperError(Exception):
    """Root of everything that a mapper refuses or fails at."""


class SettingError(MapperError):
    """A flag, environment variable or line of the settings file. ``key`` is what the user wrote, e.g. ``--poll`` or ``broker.url``."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key


_MOST_WORDS = 500
"""Of a reason, which may quote what the profile says."""


class ProfileError(MapperError):
    """A part of the device profile. ``path`` is where, e.g. ``propertyVisitors[2].visitorConfig.offset``."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason[:_MOST_WORDS]}")
        self.path = path


class Coded(MapperError):
    """What goes wrong with a device or a property, and is told as such (P6.17). ``code`` is for programs: ``Timeout``, or a word of the
    driver's own of the same form; by default that of the class."""

    usual = faults.INTERNAL

    def __init__(self, reason: str = "", *, code: str = "") -> None:
        super().__init__(reason)
        self.code = code or self.usual


class ValueRefused(Coded):
    """A value that the property cannot take: wrong type, outside its limits, read-only. Trying again is no use."""

    usual = faults.VALUE_REFUSED


class DeviceAway(Coded):
    """The device, or the way to it, does not answer. It may come back.

    ``again_in``: seconds after which a driver knows that trying again makes sense and costs others little; None leaves it to the SDK.
    """

    usual = faults.AWAY

    def __init__(self, reason: str = "", *, again_in: float | None = None, code: str = "") -> None:
        super().__init__(reason, code=code)
        self.again_in = again_in


class DeviceRefused(Coded):
    """The device answers, but not to this: it refused the request or said something that is no value of the property.

    Without a ``code`` it is told as ``ReadRefused`` or ``WriteRefused``, whichever it was.
    """

    usual = ""


class BusError(MapperError):
    """The broker cannot be used as it is configured."""
