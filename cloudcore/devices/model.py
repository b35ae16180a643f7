"""A device and a device model as we think of them, whatever version describes them (contract 5.1, 5.6). Values."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudcore.ports import JsonObject


@dataclass(frozen=True, slots=True)
class Access:
    """How something is reached: ``protocol`` (``modbus-tcp``, ``opcua``, anything) and the settings that it understands."""

    protocol: str
    config: JsonObject = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class DeviceProperty:
    """``desired``, ``reported``: ``{"value", "metadata"}``. ``declared``: somebody described it; else a node only reported it.

    ``settings``: cycles in ms, ``reportToCloud``, ``pushMethod`` as v1beta1 writes them.
    """

    name: str
    declared: bool = True
    desired: JsonObject | None = field(default=None, hash=False)
    reported: JsonObject | None = field(default=None, hash=False)
    visitor: Access | None = None
    settings: JsonObject = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Device:
    """``node`` "": none. ``state`` and ``last_online`` as the status has them, None where it says nothing."""

    model: str | None = None
    node: str = ""
    protocol: Access | None = None
    properties: tuple[DeviceProperty, ...] = ()
    state: str | None = None
    last_online: str | None = None
    conditions: tuple[JsonObject, ...] = field(default=(), hash=False)


@dataclass(frozen=True, slots=True)
class ModelProperty:
    """``type``: int, string, float, double, boolean, bytes or stream. Limits are numbers as text, "" where there is none."""

    name: str
    type: str
    access: str = "ReadOnly"
    description: str | None = None
    minimum: str = ""
    maximum: str = ""
    unit: str = ""
    visitor: Access | None = None


@dataclass(frozen=True, slots=True)
class DeviceModel:
    properties: tuple[ModelProperty, ...] = ()
