"""Protocols that are installed: entry points of the group ``bramble.mappers``."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.metadata import entry_points

from mappers.sdk.driver import DriverClass, Family, Simulated, Simulation
from mappers.sdk.errors import MapperError

GROUP = "bramble.mappers"


def protocols() -> list[str]:
    return sorted({point.name for point in entry_points(group=GROUP)})


def family_of(protocol: str) -> Family:
    """Raises MapperError when no such protocol is installed, or something that it needs is missing."""
    return _driver_of(protocol).family()


def simulation_of(protocol: str) -> AbstractContextManager[Simulation]:
    """Raises MapperError as ``family_of`` does, and when the protocol comes without a simulator."""
    driver = _driver_of(protocol)
    if not isinstance(driver, Simulated):
        raise MapperError(f"--simulate: protocol {protocol!r} comes without a simulator")
    return driver.simulation()


def _driver_of(protocol: str) -> DriverClass:
    found = [point for point in entry_points(group=GROUP) if point.name == protocol]
    if not found:
        raise MapperError(f"there is no protocol {protocol!r}; installed: {', '.join(protocols()) or 'none'}")
    try:
        driver: DriverClass = found[0].load()
    except ImportError as exc:
        raise MapperError(f"protocol {protocol!r} needs a library that is not installed: {exc}") from exc
    return driver
