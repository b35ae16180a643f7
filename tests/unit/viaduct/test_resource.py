"""Resource strings (contract 1.6)."""

from __future__ import annotations

import pytest

from viaduct.errors import MalformedResource
from viaduct.resource import ResourcePath, parse_device_resource, parse_resource, with_node, without_node


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("default/pod/web-0", ResourcePath("default", "pod", "web-0")),
        ("default/podstatus", ResourcePath("default", "podstatus")),
        ("node/configmap/node", ResourcePath("node", "configmap", "node")),
        ("null/node/edge1", ResourcePath("null", "node", "edge1")),
    ],
)
def test_a_resource_is_read_and_written_alike(text: str, path: ResourcePath) -> None:
    assert parse_resource(text) == path
    assert str(path) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pod",
        "a/b/c/d",
        "default/gadget/x",
        "default/Pod/x",
        "/pod/x",
        "default/pod/",
        "../pod/x",
        "default/pod/a b",
        "default/pod/" + "x" * 300,
        "default/pod/web\n",
    ],
)
def test_anything_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(MalformedResource):
        parse_resource(text)


def test_only_the_first_two_segments_name_the_node() -> None:
    assert without_node(with_node("edge1", "node/pod/node")) == ("edge1", "node/pod/node")


@pytest.mark.parametrize("text", ["", "node", "node//x", "edge1/default/pod/x", "node/edge1"])
def test_a_resource_without_node_prefix_is_refused(text: str) -> None:
    with pytest.raises(MalformedResource):
        without_node(text)


def test_a_device_resource_gives_id_and_rest() -> None:
    assert parse_device_resource("device/twin/twin/edge_updated") == ("twin", "twin/edge_updated")


@pytest.mark.parametrize(
    "text", ["device/x", "device//state", "membership", "device/a b/state", "device/a\n/state", "device/" + "x" * 300 + "/state"]
)
def test_a_malformed_device_resource_is_refused(text: str) -> None:
    with pytest.raises(MalformedResource):
        parse_device_resource(text)
