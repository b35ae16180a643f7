"""Reading: strict about names and types, generous about spelling, and always with the full key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from componentconfig.errors import ConfigError
from componentconfig.reading import read
from componentconfig.setting import section, setting
from edgecore.config import EdgeCoreConfig


def problems(mapping: object, root: type[Any] = EdgeCoreConfig) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(mapping, root)
    return caught.value.problems


def at(path: str, value: object) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    return {head: at(rest, value) if rest else value}


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("modules.edgehub.heartbeat", "fast", "modules.edgehub.heartbeat: expected seconds, got 'fast'"),
        ("modules.edgeHub.heartBeat", "fast", "modules.edgehub.heartbeat: expected seconds, got 'fast'"),
        ("modules.edgehub.heartbeat", 1.5, "modules.edgehub.heartbeat: expected seconds, got 1.5"),
        ("modules.edgehub.heartbeat", True, "modules.edgehub.heartbeat: expected seconds, got True"),
        ("modules.edgehub.heartbeat", 0, "modules.edgehub.heartbeat: expected seconds from 1 to 3600, got 0"),
        ("modules.edgehub.heartbeat", 10**30, "modules.edgehub.heartbeat: expected seconds from 1 to 3600, got 1" + "0" * 30),
        ("modules.edged.hostnameOverride", "\ud800", "modules.edged.hostnameOverride: expected text, got '\\ud800'"),
        ("modules.edgehub.heartbeat", {"a": 1}, "modules.edgehub.heartbeat: expected seconds, got a mapping"),
        ("modules.edgehub.enable", "yes", "modules.edgehub.enable: expected true or false, got 'yes'"),
        ("modules.edgehub.enable", 1, "modules.edgehub.enable: expected true or false, got 1"),
        ("modules.edgehub", [1], "modules.edgehub: expected a section with keys, got a list"),
        ("modules", "x", "modules: expected a section with keys, got 'x'"),
        ("modules.edgehub.websocket.server", "cloud", "modules.edgehub.websocket.server: expected HOST:PORT, got 'cloud'"),
        ("modules.edgehub.websocket.server", "h:70000", "modules.edgehub.websocket.server: expected HOST:PORT, got 'h:70000'"),
        ("modules.edged.hostnameOverride", 12, "modules.edged.hostnameOverride: expected text, got 12"),
        ("modules.edged.nodeIP", "here", "modules.edged.nodeIP: expected an IP address, got 'here'"),
        ("modules.edged.runtimeType", "rkt", "modules.edged.runtimeType: expected one of podman, got 'rkt'"),
        ("modules.eventbus.mqttMode", 3, "modules.eventbus.mqttMode: expected one of 0, 1, 2, got 3"),
        ("modules.eventbus.mqttServerExternal", "http://x", None),
        ("database.dataSource", "relative.db", "database.dataSource: expected an absolute path, got 'relative.db'"),
        ("database.dataSource", "/a\0b", "database.dataSource: expected text, got '/a\\x00b'"),
        ("modules.edgehub.hartbeat", 15, "modules.edgehub.hartbeat: unknown key; did you mean heartbeat?"),
        ("modules.edghub", {}, "modules.edghub: unknown key; did you mean edgehub?"),
        ("modules.heartbeat", 15, "modules.heartbeat: unknown key; did you mean modules.edgehub.heartbeat?"),
        ("database.outbox.maxSize", 7, "database.outbox.maxSize: expected megabytes from 8 to 1000000, got 7"),
        ("database.outbox.maxAge", "long", "database.outbox.maxAge: expected days, got 'long'"),
        ("modules.edgehub.pingInterval", 0, "modules.edgehub.pingInterval: expected seconds from 1 to 3600, got 0"),
        ("metrics.port", 70000, "metrics.port: expected a port from 0 to 65535, got 70000"),
        ("metrics.address", "here", None),
        ("nonsense", 1, "nonsense: unknown key; known here: database, metrics, modules"),
        ("modules.edgehub.websocket.enable", False, None),
    ],
)
def test_what_is_wrong_is_said_with_the_full_key(path: str, value: object, text: str | None) -> None:
    (problem,) = problems(at(path, value))
    assert problem == text if text else problem.startswith(f"{path}: expected ")


def test_every_problem_is_told_at_once() -> None:
    found = problems({"modules": {"edgehub": {"heartbeat": "fast", "nonsense": 1}, "edged": {"enable": "on"}}})
    assert [problem.partition(":")[0] for problem in found] == [
        "modules.edgehub.heartbeat",
        "modules.edgehub.nonsense",
        "modules.edged.enable",
    ]


def test_a_number_of_thousands_of_digits_is_refused_and_not_shown() -> None:
    assert problems(at("modules.edgehub.heartbeat", 16**5000)) == (
        "modules.edgehub.heartbeat: expected seconds from 1 to 3600, got a number too long to show",
    )


def test_a_file_of_thousands_of_strange_keys_is_refused_in_few_words() -> None:
    found = problems({f"{n:0100}": 1 for n in range(100_000)})
    assert len(found) == 20
    assert all(len(text) < 200 for text in found)


def test_a_key_given_in_two_spellings_is_refused() -> None:
    (problem,) = problems({"modules": {"edgehub": {"heartbeat": 1}, "edgeHub": {"heartbeat": 2}}})
    assert problem == "modules.edgeHub: given twice, also as edgehub"


def test_a_key_that_is_no_text_is_refused() -> None:
    (problem,) = problems({"modules": {True: 1}})
    assert problem == "modules.True: expected a name as key, got True"


def test_a_secret_is_never_repeated() -> None:
    (problem,) = problems(at("modules.edgehub.token", 123456))
    assert problem == "modules.edgehub.token: expected text, got a value that is not shown here"


@pytest.mark.parametrize("mapping", [None, {}, {"modules": None}, {"modules": {"edgehub": None}}, at("modules.edgehub.heartbeat", None)])
def test_what_is_left_empty_keeps_its_default(mapping: Mapping[str, Any] | None) -> None:
    assert read(mapping, EdgeCoreConfig) == (EdgeCoreConfig(), [])


@pytest.mark.parametrize("mapping", [[], "text", 5, True])
def test_a_file_that_is_no_mapping_is_refused(mapping: object) -> None:
    assert problems(mapping)[0].startswith("config: expected a mapping")


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ({"kind": "CloudCore"}, "kind: expected EdgeCore, got 'CloudCore'; is this the file of another program?"),
        ({"apiVersion": "v9"}, "apiVersion: expected edgecore.config.kubeedge.io/v1alpha1, got 'v9'"),
        ({"apiVersion": 1}, "apiVersion: expected edgecore.config.kubeedge.io/v1alpha1, got 1"),
        ({"typemeta": {"kind": "EdgeSite"}}, "kind: expected EdgeCore, got 'EdgeSite'; is this the file of another program?"),
        ({"typemeta": {"other": 1}}, "typemeta.other: unknown key"),
        ({"typemeta": "x"}, "typemeta: expected a section with apiVersion and kind, got 'x'"),
    ],
)
def test_another_kind_or_version_is_refused(mapping: Mapping[str, Any], text: str) -> None:
    assert problems(mapping) == (text,)


def test_the_later_form_of_kubeedge_is_refused_with_the_reason() -> None:
    (problem,) = problems({"apiVersion": "edgecore.config.kubeedge.io/v1alpha2", "kind": "EdgeCore"})
    assert "v1alpha2 of KubeEdge 1.12 and later" in problem


@dataclass(frozen=True, slots=True)
class Lamp:
    delay: int = setting(1, "How long.", expected="seconds", minimum=0)


@dataclass(frozen=True, slots=True)
class House:
    API_VERSION: ClassVar = "house/v3"
    KIND: ClassVar = "House"
    CONVERTERS: ClassVar = {
        "house/v1": ("house/v2", lambda body: {"lamp": {"delay": body["delay_minutes"]}}),
        "house/v2": ("house/v3", lambda body: {"lamp": {"delay": body["lamp"]["delay"] * 60}}),
    }
    lamp: Lamp = section(Lamp)


def test_an_older_version_is_converted_step_by_step_and_told() -> None:
    config, (warning,) = read({"apiVersion": "house/v1", "kind": "House", "delay_minutes": 2}, House)
    assert config.lamp.delay == 120
    assert warning.startswith("config read as house/v1 and converted to house/v3")


def test_a_key_of_an_older_version_in_a_current_file_is_not_half_read() -> None:
    assert problems({"apiVersion": "house/v3", "delay_minutes": 2}, House) == ("delay_minutes: unknown key; known here: lamp",)
