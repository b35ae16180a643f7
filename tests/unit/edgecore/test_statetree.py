"""What the config says about topics for people, as both modules get it (P6.9, P6.10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from componentconfig.errors import ConfigError
from componentconfig.reading import read
from edgecore import statetree
from edgecore.config import EdgeCoreConfig, EventBus
from edgecore.devicetwin.homeassistant import HomeAssistant
from edgecore.eventbus.settings import Retaining, bus_settings
from viaduct.tree import Tree


def _config(**eventbus: object) -> EventBus:
    return read({"modules": {"eventbus": eventbus}}, EdgeCoreConfig)[0].modules.eventbus


def test_nothing_is_retained_unless_somebody_asks_for_it() -> None:
    assert statetree.showing(EventBus(), "edge1") is None and statetree.retaining(EventBus(), "edge1") is None
    assert statetree.showing(_config(enable=False, stateTree={"enable": True}), "edge1") is None


def test_a_tree_has_its_root_and_home_assistant_its_prefix() -> None:
    config = _config(
        stateTree={"enable": True, "root": "farm"},
        homeAssistant={"enable": True, "discoveryPrefix": "ha/found", "statusTopic": "ha/status"},
    )
    shown = statetree.showing(config, "edge1")
    assert shown is not None and shown.tree == Tree("farm", "edge1")
    assert isinstance(shown.discovery, HomeAssistant) and shown.discovery.prefix == "ha/found"
    wanted = Retaining("farm/edge1/status", ("farm/edge1/+/+/set", "ha/status"), ("farm/edge1/", "ha/found/device/bramble_edge1__"))
    assert statetree.retaining(config, "edge1") == wanted
    assert bus_settings(config, node="edge1", directory=Path("/x"), retaining=wanted).retaining == wanted


@pytest.mark.parametrize(
    ("eventbus", "key"),
    [
        ({"homeAssistant": {"enable": True}}, "modules.eventbus.homeAssistant.enable"),
        ({"stateTree": {"root": "a/b"}}, "modules.eventbus.stateTree.root"),
        ({"stateTree": {"root": ""}}, "modules.eventbus.stateTree.root"),
        ({"homeAssistant": {"discoveryPrefix": "a//b"}}, "modules.eventbus.homeAssistant.discoveryPrefix"),
        ({"homeAssistant": {"statusTopic": "#"}}, "modules.eventbus.homeAssistant.statusTopic"),
    ],
)
def test_a_setting_that_cannot_be_is_named(eventbus: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        _config(**eventbus)
