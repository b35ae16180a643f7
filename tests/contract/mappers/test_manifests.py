"""Manifests of made-up devices: what a site makes of them is what the simulator serves."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cloudcore.devicecontroller.profile import profile_text
from cloudcore.devices.conversion import converted
from cloudstub.kinds.schema_validate import validate
from mappers.sdk import cli, registry
from mappers.sdk.profile import Device, parse
from tests.fakes.crds import schemas


@pytest.mark.parametrize("protocol", ["gpio", "i2c", "modbus", "serial"])
def test_a_site_makes_of_the_manifests_the_devices_that_are_made_up(protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([protocol, "--simulate", "--manifests", "edge1"]) == 0
    objects = list(yaml.safe_load_all(capsys.readouterr().out))
    for obj in objects:
        assert validate(schemas(obj["kind"])["v1beta1"], obj) == []
    stored = [converted(obj, "v1alpha1") for obj in objects]
    devices = [obj for obj in stored if obj["kind"] == "Device"]
    assert all(obj["spec"]["nodeName"] == "edge1" for obj in objects if obj["kind"] == "Device")
    text = profile_text(devices, [obj for obj in stored if obj["kind"] == "DeviceModel"])
    assert text is not None
    with registry.simulation_of(protocol) as simulation:
        made, served = parse(text.encode()), parse(simulation.profile)
        assert made.problems == ()
        assert sorted(map(_described, made.devices)) == sorted(map(_described, served.devices))
        for device in made.devices:
            assert simulation.family.driver_for(device)[2] == ()


def _described(device: Device) -> tuple[Any, ...]:
    return (
        device.id,
        device.protocol,
        sorted((one.name, one.data_type, one.writable, str(one.limits), one.unit) for one in device.properties),
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serial", "--manifests", "edge1"], "goes with --simulate"),
        (["bluetooth", "--simulate", "--manifests", "edge1"], "whatever devices EdgeCore tells it"),
        (["serial", "--simulate", "--manifests", "Edge 1"], "expected the name of a node"),
    ],
)
def test_where_there_is_nothing_to_print_it_is_said(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert words in capsys.readouterr().err
