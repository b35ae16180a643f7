"""In the place of a driver, for a device that is described so that nobody can reach it: its twin says so, and nothing is tried."""

from __future__ import annotations

from mappers.sdk.errors import DeviceAway
from mappers.sdk.profile import Property
from mappers.sdk.values import Value
from viaduct.faults import DESCRIPTION

_NEVER_MIND = 86_400.0
"""Seconds until it is tried again in vain: another description is another driver."""


class Undescribed:
    """Offline, and why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def open(self) -> None:
        raise DeviceAway(self._reason, again_in=_NEVER_MIND, code=DESCRIPTION)

    def read(self, wanted: Property) -> Value:
        raise DeviceAway(self._reason, again_in=_NEVER_MIND, code=DESCRIPTION)

    def write(self, wanted: Property, value: Value) -> None:
        raise DeviceAway(self._reason, again_in=_NEVER_MIND, code=DESCRIPTION)

    def close(self) -> None:
        """There is nothing to let go of."""
