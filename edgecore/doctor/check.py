"""What a check is: a look at the board that gives a verdict, and perhaps a repair that is safe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from edgecore.doctor.verdict import Verdict

if TYPE_CHECKING:
    from edgecore.doctor.case import Case


class Group(StrEnum):
    """In the order in which they are told."""

    CONFIG = "Config and identity"
    AGENT = "EdgeCore"
    CLOUD = "Network and cloud"
    CLOCK = "Clock"
    POWER = "Power and heat"
    STORAGE = "Storage and memory"
    KERNEL = "Kernel"
    CONTAINERS = "Containers"
    BROKER = "Broker and ports"
    DEVICES = "Devices"


@dataclass(frozen=True, slots=True)
class Check:
    """``look`` may raise EdgeCoreError or NeedsRoot; ``limit`` is in seconds. ``repair`` mends what ``look`` called fixable, says what
    it did, and may be done twice; ``repairs`` says so beforehand. ``alone``: a measurement, which nothing else may disturb."""

    id: str
    group: Group
    title: str
    why: str
    look: Callable[[Case], Verdict]
    limit: float = 10.0
    root: bool = False
    alone: bool = False
    repair: Callable[[Case], str] | None = None
    repairs: str = ""
