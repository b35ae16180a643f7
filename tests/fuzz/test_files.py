"""Hostile files: component configs, kubeconfig, a mapper's settings and profile, and rows of a database that something else wrote (X7)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import cloudcore.config
import edgecore.config
import edgesite.config
from cloudcore.errors import ConfigError as CloudConfigError
from cloudcore.kube.kubeconfig import read_kubeconfig
from componentconfig.rendering import render_default
from edgecore.certs.joinconfig import with_values
from edgecore.devicetwin import rows
from edgecore.devicetwin.homeassistant import HomeAssistant
from edgecore.devicetwin.models import UNKNOWN, models_of
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.errors import ConfigError as EdgeConfigError
from edgecore.firstboot.sources import understand, without_secrets
from edgecore.store.twins import AttrRow, DeviceRow, TwinRow
from mappers.gpio import simulated as gpio_simulated
from mappers.gpio.driver import GpioFamily
from mappers.gpio.simulated import SimulatedPins
from mappers.i2c import simulated as i2c_simulated
from mappers.i2c.driver import I2cDriver
from mappers.modbus.address import address_of
from mappers.modbus.registers import visitor_of
from mappers.modbus.registertext import parse_registers
from mappers.sdk import profile
from mappers.sdk.cli import _yaml as read_settings
from mappers.sdk.config import settle
from mappers.sdk.driver import Family
from mappers.sdk.errors import MapperError, ProfileError
from mappers.serialport import simulated as serial_simulated
from mappers.serialport.driver import SerialDriver
from tests.fuzz.hostile import INFINITE, JUNK, damaged, each_spoilt, encoded, fuzzed, is_unicode, json_bodies, refuses_well, texts
from tests.unit.edgecore.devicetwin.discovery_schema import DISCOVERY
from tests.unit.edgecore.firstboot import cards
from tests.unit.mappers import made
from viaduct.tree import Tree

Reader = Callable[[Path], Any]

KUBECONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": "YQ=="}}],
    "users": [{"name": "u", "user": {"token": "t", "client-certificate-data": "YQ==", "client-key-data": "YQ=="}}],
}
SETTINGS = {"broker": {"url": "tcp://127.0.0.1:1883", "username": "u"}, "poll": 1, "deadband": 0.5, "logLevel": "info"}
PROFILE = made.profile()


def settled(path: Path) -> Any:
    return settle({}, {}, read_settings(str(path)))


CONFIGS: dict[str, tuple[Reader, type[Any]]] = {
    "edgecore": (edgecore.config.read_config, edgecore.config.EdgeCoreConfig),
    "cloudcore": (cloudcore.config.read_config, cloudcore.config.CloudCoreConfig),
    "edgesite": (edgesite.config.read_config, edgesite.config.EdgeSiteConfig),
}
GOOD: dict[str, tuple[Reader, Any]] = {
    **{name: (read, yaml.safe_load(render_default(root))) for name, (read, root) in CONFIGS.items()},
    "kubeconfig": (read_kubeconfig, KUBECONFIG),
    "mapper": (settled, SETTINGS),
}
REFUSALS = (EdgeConfigError, CloudConfigError, MapperError)
# A file is written for each example; the next one writes it over.
in_a_file = settings(fuzzed, suppress_health_check=tuple(HealthCheck))


FEW = (None, -1, 10**400, INFINITE, "\ud800", "9" * 5000, "x" * 5000, [None], {"": {}}, {"a": None})
"""A config has many places, all of them read alike."""


def read_whole(read: Reader, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = refuses_well(lambda: read(path), *REFUSALS)
    assert is_unicode(repr(found))
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", GOOD)
def test_a_file_with_junk_in_any_place_is_read_or_refused(name: str, tmp_path: Path) -> None:
    read, good = GOOD[name]
    for bad in each_spoilt(good, FEW if name in CONFIGS else JUNK):
        read_whole(read, tmp_path / "file", encoded(bad).encode())


@pytest.mark.parametrize("name", GOOD)
@in_a_file
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    read, good = GOOD[name]
    read_whole(read, tmp_path / "file", data.draw(damaged(yaml.safe_dump(good).encode())))


LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
BOMBS = {
    "aliases": LAUGHS,
    "aliases in a known key": LAUGHS + "modules: *a11\npoll: *a11\nclusters: *a11\nbroker: {url: *a11}\ncurrent-context: *a11\n",
    "depth": "[" * 20_000,
    "depth in block style": "".join(" " * depth + "a:\n" for depth in range(300)),
    "a long number": "poll: 0x" + "f" * 60_000 + "\nmodules: 0x" + "f" * 60_000 + "\napiVersion: 0x" + "f" * 60_000,
    "minutes and seconds": "poll: 1" + ":1" * 20_000 + "\nmodules: 1" + ":1" * 20_000,
    "many keys": "".join(f"k{n}: 1\n" for n in range(4000)),
    "an unfit tag": "poll: !!bool maybe\nmodules: !!int ''\napiVersion: !!timestamp never",
    "a python object": "poll: !!python/object/apply:os.system ['true']\n",
    "keys that are lists": "? [a, b]\n: 1\n? {a: b}\n: 2\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "a merge": "<<: {a: 1}\n<<: [1]\n",
    "half of a pair": 'modules: "\\ud800"\npoll: "\\ud800"\ncurrent-context: "\\ud800"\n',
    "nothing": "",
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", GOOD)
def test_a_file_made_to_harm_its_reader_is_refused_before_it_does(name: str, bomb: str, tmp_path: Path) -> None:
    read_whole(GOOD[name][0], tmp_path / "file", BOMBS[bomb].encode())


CARDS = {"bramble.yaml": cards.WHOLE, "user-data": cards.USER_DATA, "network-config": cards.NETWORK_CONFIG}


def understand_whole(texts: dict[str, str]) -> None:
    """Whatever is on a card: problems in short words, or settings; and then no secret stays."""
    found = understand(texts)
    assert all(problem and is_unicode(problem) and len(problem) < 1000 for problem in (*found.problems, *found.notes))
    if not found.problems:
        left = {**texts, **without_secrets(texts)}
        secrets = [secret for secret in (found.settings.wifi.passphrase, found.settings.cloud.token) if secret]
        assert not [name for name, text in left.items() if any(secret in text for secret in secrets)]
        assert understand(left).problems == ()


@pytest.mark.parametrize("name", CARDS)
def test_a_card_with_junk_in_any_place_is_read_or_refused(name: str) -> None:
    for bad in each_spoilt(yaml.safe_load(CARDS[name])):
        understand_whole({name: encoded(bad)})


@pytest.mark.parametrize("name", [*CARDS, "custom.toml"])
@fuzzed
@given(data=st.data())
def test_a_damaged_card_is_read_or_refused(name: str, data: st.DataObject) -> None:
    good = CARDS.get(name, cards.CUSTOM_TOML)
    understand_whole({name: data.draw(damaged(good.encode())).decode("utf-8", "ignore")})


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", [*CARDS, "custom.toml"])
def test_a_card_made_to_harm_its_reader_is_refused(name: str, bomb: str) -> None:
    understand_whole({name: BOMBS[bomb]})


@fuzzed
@given(value=texts | st.sampled_from(["a: b", "#x", "'", '"', "\n", "null", "1", "on", "*a", "!!int"]))
def test_a_value_set_in_a_config_is_read_back_as_it_was_or_refused(value: str) -> None:
    text = "# ours\nmodules:\n  edgeHub:\n    token: old # keep\n"
    changed = refuses_well(lambda: with_values(text, {("modules", "edgehub", "token"): value}), EdgeConfigError, yaml.YAMLError)
    if changed is not None:
        assert yaml.safe_load(changed)["modules"]["edgeHub"]["token"] == value
        assert "# ours" in changed


def profile_read(content: bytes) -> None:
    found = refuses_well(lambda: profile.parse(content), ProfileError)
    for device in found.devices if found is not None else ():
        refuses_well(lambda device=device: address_of(device), ProfileError)
        for each in device.properties:
            refuses_well(lambda each=each: visitor_of(each), ProfileError)
    assert all(len(problem) < 2000 and problem.encode() for problem in (found.problems if found is not None else ()))


def test_a_profile_with_junk_in_any_place_keeps_what_is_good_and_names_the_rest() -> None:
    for bad in each_spoilt(PROFILE):
        profile_read(encoded(bad).encode())


@fuzzed
@given(content=json_bodies(PROFILE))
def test_a_damaged_profile_is_read_or_refused(content: bytes) -> None:
    profile_read(content)


def few(text: bytes, *visitors: str) -> Any:
    """Of a simulator's profile these properties and their devices: many are described alike."""
    body = json.loads(text)
    body["propertyVisitors"] = [item for item in body["propertyVisitors"] if item["name"] in visitors]
    models = {item["modelName"] for item in body["propertyVisitors"]}
    for key, name in (("deviceInstances", "id"), ("deviceModels", "name"), ("protocols", "name")):
        body[key] = [item for item in body[key] if item[name] in models]
    return body


DESCRIBED: dict[str, tuple[Family, Any]] = {
    "serial": (SerialDriver.family(), few(serial_simulated.profile("/dev/ttyS0", "/dev/ttyS1"), "setpoint", "heating", "time")),
    "i2c": (I2cDriver.family(), few(i2c_simulated.profile(), "power", "relay-2")),
    "gpio": (GpioFamily(SimulatedPins()), few(gpio_simulated.profile(), "door", "lamp", "fan", "water")),
}
"""Protocols of one's own, which read their parts of a profile to the last key."""


def described_read(family: Family, content: bytes) -> None:
    found = refuses_well(lambda: profile.parse(content), ProfileError)
    for device in found.devices if found is not None else ():
        served = refuses_well(lambda device=device: family.driver_for(device), ProfileError)
        if served is not None:
            driver, reachable, problems = served
            assert len(reachable) + len(problems) == len(device.properties)
            assert all(len(problem) < 2000 and problem.encode() for problem in problems)
            driver.close()


@pytest.mark.parametrize("protocol", DESCRIBED)
def test_a_description_with_junk_in_any_place_is_read_or_refused_with_the_field(protocol: str) -> None:
    family, good = DESCRIBED[protocol]
    for part in ("protocols", "propertyVisitors"):
        for bad in each_spoilt(good[part]):
            described_read(family, encoded({**good, part: bad}).encode())


@fuzzed
@given(data=st.data(), protocol=st.sampled_from(sorted(DESCRIBED)))
def test_a_damaged_description_is_read_or_refused(data: st.DataObject, protocol: str) -> None:
    family, good = DESCRIBED[protocol]
    described_read(family, data.draw(json_bodies(good)))


@fuzzed
@given(text=texts | st.text("input holding coil=:,0123456789-x"))
def test_the_simulators_registers_are_read_or_refused(text: str) -> None:
    refuses_well(lambda: parse_registers(text, key="--set", size=100), MapperError)


ROWS = (
    DeviceRow("d", "d", "", "online", "2024-01-01 00:00:00", "u", "5"),
    AttrRow("d", "a", "", "v", 1, "string", "{}"),
    TwinRow("d", "t", "", "1", "2", '{"timestamp":1}', "{}", '{"cloud":1,"edge":2}', "", 1, "int", "{}"),
)


@pytest.mark.parametrize("which", range(3))
def test_rows_that_something_else_wrote_are_devices_or_left_out(which: int) -> None:
    for index in range(len(dataclasses.astuple(ROWS[which]))):
        for bad in [*(value for value in JUNK_IN_A_COLUMN)]:
            values = list(dataclasses.astuple(ROWS[which]))
            values[index] = bad
            table = list(ROWS)
            table[which] = type(ROWS[which])(*values)
            rows.shadows([table[0]], [table[1]], [table[2]])  # type: ignore[list-item]


JUNK_IN_A_COLUMN = ("", "x", "{", "[]", "null", "1", '{"cloud":"a"}', '{"cloud":1}', '{"timestamp":"x"}', "[" * 5000, 7, None, b"\xff")


def test_a_profile_with_junk_in_any_place_makes_no_config_that_home_assistant_cannot_read() -> None:
    device = PROFILE["deviceInstances"][0]["id"]
    names = {entry["name"] for model in PROFILE["deviceModels"] for entry in model["properties"]}
    tree = Tree("bramble", "edge1")
    shadow = Shadow(device, twins={name: Twin(type="int") for name in names})
    texts = {encoded(bad) for bad in each_spoilt(PROFILE)}
    configs = {HomeAssistant(version="1").config(tree, shadow, models_of([text]).get(device, UNKNOWN)) for text in texts}
    valid = Draft202012Validator(DISCOVERY)
    for config in configs:
        valid.validate(json.loads(config.encode()))
