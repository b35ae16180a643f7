"""Devices that a container asks for by the name of a resource."""

from __future__ import annotations

from typing import Any

import pytest

from componentconfig import checks
from edgecore.edged.devices import paths_for, read_devices
from edgecore.edged.errors import ConfigProblem

ENTRIES = ("bramble.io/ttyUSB0=/dev/ttyUSB0", "acme.example/bus = /dev/i2c-1, /dev/i2c-2")
DEVICES = read_devices(ENTRIES)


def test_entries_of_the_config_name_resources_and_their_paths() -> None:
    assert checks.devices(ENTRIES) is None
    assert DEVICES == {"bramble.io/ttyUSB0": ("/dev/ttyUSB0",), "acme.example/bus": ("/dev/i2c-1", "/dev/i2c-2")}


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "ttyUSB0=/dev/ttyUSB0",
        "bramble.io/x",
        "bramble.io/x=",
        "bramble.io/x=/etc/passwd",
        "bramble.io/x=/dev/../etc/passwd",
        "kubernetes.io/x=/dev/x",
        "a.kubernetes.io/x=/dev/x",
        "bramble.io/x=/dev/a,,/dev/b",
        "bramble.io/=/dev/x",
    ],
)
def test_an_entry_that_cannot_be_is_refused(entry: str) -> None:
    assert checks.devices((entry,))
    assert checks.devices(("a.b/c=/dev/x", "a.b/c=/dev/y"))


@pytest.mark.parametrize(
    ("limits", "paths"),
    [
        ({}, ()),
        ({"cpu": "1", "memory": "1Gi", "hugepages-2Mi": "1"}, ()),
        ({"bramble.io/ttyUSB0": "1"}, ("/dev/ttyUSB0",)),
        ({"bramble.io/ttyUSB0": 1, "acme.example/bus": "1"}, ("/dev/ttyUSB0", "/dev/i2c-1", "/dev/i2c-2")),
        ({"bramble.io/ttyUSB0": "0"}, ()),
    ],
)
def test_a_container_gets_the_paths_of_what_it_asks_for(limits: dict[str, Any], paths: tuple[str, ...]) -> None:
    assert paths_for({"resources": {"limits": limits}}, DEVICES) == paths


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"bramble.io/camera": "1"}, "resource bramble.io/camera: this node has no such device (modules.edged.devices)"),
        ({"bramble.io/ttyUSB0": "2"}, "resource bramble.io/ttyUSB0: there is 1, and 2 are asked for"),
    ],
)
def test_what_the_node_does_not_have_is_named(limits: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigProblem, match=text.replace("(", r"\(").replace(")", r"\)")):
        paths_for({"resources": {"limits": limits}}, DEVICES)
