"""docs/mappers-modbus.md: its manifests pass the CRDs whole and are served; what the page calls wrong is refused."""

from __future__ import annotations

from typing import Any

import pytest

from cloudstub.kinds.schema_shape import prune
from cloudstub.kinds.schema_validate import validate
from mappers.modbus.driver import ModbusDriver
from mappers.sdk import profile
from tests.fakes import modbuspage
from tests.fakes.crds import schemas


def test_the_manifests_of_the_page_are_accepted_and_nothing_of_them_is_dropped() -> None:
    for manifest in modbuspage.manifests():
        assert validate(schemas(manifest["kind"])["v1alpha1"], manifest) == []
        assert prune(schemas(manifest["kind"])["v1alpha1"], manifest) == manifest


def test_every_device_of_the_page_is_served_whole() -> None:
    read = profile.parse(modbuspage.profile())
    assert read.problems == () and [device.id for device in read.devices] == ["meter-01", "room-01", "room-02"]
    family = ModbusDriver.family()
    for device in read.devices:
        _, reachable, problems = family.driver_for(device)
        assert problems == () and reachable == device.properties


def _with(kind: str, path: str, value: Any) -> dict[str, Any]:
    """The page's meter, or its device behind a serial device server, changed in one place."""
    manifest = modbuspage.manifests()[0 if kind == "DeviceModel" else -1]
    part: Any = manifest["spec"]
    *parents, last = path.split(".")
    for name in parents:
        part = part[int(name)] if name.isdigit() else part[name]
    part[last] = value
    return manifest


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("DeviceModel", "propertyVisitors.0.modbus.encoding", "float"),
        ("DeviceModel", "propertyVisitors.4.modbus.bit", 16),
        ("DeviceModel", "propertyVisitors.4.modbus.bit", -1),
        ("Device", "protocol.modbus.tcp.framing", "ascii"),
        ("Device", "protocol.modbus.tcp.responseTimeout", 5),
        ("Device", "protocol.modbus.tcp.responseTimeout", 60_000),
    ],
)
def test_a_wrong_word_is_refused_by_the_api_with_its_path(kind: str, path: str, value: Any) -> None:
    (problem,) = validate(schemas(kind)["v1alpha1"], _with(kind, path, value))
    assert path.rpartition(".")[2] in str(problem)
