"""Every check, in the order in which they are told."""

from __future__ import annotations

from edgecore.doctor.check import Check, Group
from edgecore.doctor.checks import (
    agent,
    broker,
    clock,
    cloud,
    config,
    containers,
    database,
    devices,
    identity,
    kernel,
    power,
    storage,
    updates,
)

_FAMILIES = (config, identity, agent, updates, cloud, clock, power, storage, database, kernel, containers, broker, devices)
_ORDER = list(Group)

CHECKS: tuple[Check, ...] = tuple(
    sorted((check for family in _FAMILIES for check in family.CHECKS), key=lambda check: _ORDER.index(check.group))
)
