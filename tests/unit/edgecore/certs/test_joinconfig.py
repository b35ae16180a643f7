"""Setting keys in somebody's file: nothing else changes."""

from __future__ import annotations

import pytest
import yaml

from componentconfig.rendering import render_default
from edgecore.certs.joinconfig import with_values
from edgecore.config import EdgeCoreConfig
from edgecore.errors import ConfigError

SERVER = ("modules", "edgehub", "websocket", "server")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "modules:\n  edgehub:\n    websocket:\n      server: x\n"),
        ("# only words", "# only words\nmodules:\n  edgehub:\n    websocket:\n      server: x\n"),
        ("a: 1", "a: 1\nmodules:\n  edgehub:\n    websocket:\n      server: x\n"),
        ("modules:\n", "modules:\n  edgehub:\n    websocket:\n      server: x\n"),
        ("modules: # why\n  edgehub:\n", "modules: # why\n  edgehub:\n    websocket:\n      server: x\n"),
        (
            "modules:\n  edgeHub:\n    websocket:\n      server: 'old' # why\n    token: t\n",
            "modules:\n  edgeHub:\n    websocket:\n      server: x # why\n    token: t\n",
        ),
        (
            "modules:\n    edgehub:\n        websocket:\n            server:\n    edged: {}\n",
            "modules:\n    edgehub:\n        websocket:\n            server: x\n    edged: {}\n",
        ),
        (
            "modules:\n  edgehub:\n    heartbeat: 5 # why\n  # about edged\n  edged:\n    enable: true\n",
            "modules:\n  edgehub:\n    heartbeat: 5 # why\n    websocket:\n      server: x\n  # about edged\n  edged:\n    enable: true\n",
        ),
        (
            "# größer\nmodules:\n  edged:\n    nodeIP: ''\n",
            "# größer\nmodules:\n  edged:\n    nodeIP: ''\n  edgehub:\n    websocket:\n      server: x\n",
        ),
    ],
)
def test_a_value_is_set_in_place(before: str, after: str) -> None:
    assert with_values(before, {SERVER: "x"}) == after
    assert with_values(after, {SERVER: "x"}) == after


@pytest.mark.parametrize("value", ["", "yes", "12", "1.5", "a: b", "# c", "null", "~", "[::1]:10000", 'a"b', "-"])
def test_any_text_reads_back_as_that_text(value: str) -> None:
    text = with_values(render_default(EdgeCoreConfig), {SERVER: value})
    assert yaml.safe_load(text)["modules"]["edgehub"]["websocket"]["server"] == value


def test_of_the_full_default_one_line_changes() -> None:
    before = render_default(EdgeCoreConfig)
    after = with_values(before, {SERVER: "cloud.example:10000"})
    changed = [new for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert changed == ["      server: cloud.example:10000"]


@pytest.mark.parametrize(
    "text", ["modules: {edgehub: {}}\n", "modules:\n  edgehub:\n    websocket:\n      server: |\n        x\n", "modules: 5\n"]
)
def test_a_layout_that_cannot_be_changed_in_place_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="modules"):
        with_values(text, {SERVER: "x"})
