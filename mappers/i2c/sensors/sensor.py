"""A kind of chip that is known without a description."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Protocol

from mappers.i2c.chip import Chip

Known = Decimal | str | None
"""None: the chip says that it does not know."""

Pause = Callable[[float], None]
"""Waits so many seconds: a conversion takes its time."""


class Sensor(Protocol):
    """``quantities``: what it measures, by name; those in ``texts`` are text."""

    @property
    def quantities(self) -> tuple[str, ...]: ...

    @property
    def texts(self) -> frozenset[str]: ...

    def begin(self, chip: Chip) -> None:
        """Make sure that the chip is one of this kind and prepare it. Raises DeviceAway (it is another, too), DeviceRefused."""

    def measure(self, chip: Chip, quantity: str) -> Mapping[str, Known]:
        """``quantity``, and the others that come with the same measurement. Raises DeviceAway, DeviceRefused."""


def pause(seconds: float) -> None:
    time.sleep(seconds)
