"""The upgrade (contract 2.1; P2)."""

from __future__ import annotations

import pytest

from viaduct.handshake import Mode, choose_mode, events_path, node_of_common_name, ping_interval


@pytest.mark.parametrize(
    ("headers", "mode"),
    [
        ({}, Mode.PLAIN),
        ({"Bramble-Delivery": "ledger, plain"}, Mode.LEDGER),
        ({"bramble-delivery": "LEDGER"}, Mode.LEDGER),
        ({"Bramble-Delivery": "plain"}, Mode.PLAIN),
        ({"Bramble-Delivery": "ledgerx"}, Mode.PLAIN),
    ],
)
def test_the_mode_is_ledger_only_where_both_speak_it(headers: dict[str, str], mode: Mode) -> None:
    assert choose_mode(headers) is mode


@pytest.mark.parametrize(("headers", "seconds"), [({}, None), ({"bramble-ping": "180"}, 180), ({"Bramble-Ping": "3600"}, 3600)])
def test_pings_are_said_in_seconds(headers: dict[str, str], seconds: int | None) -> None:
    assert ping_interval(headers) == seconds


@pytest.mark.parametrize("value", ["", "0", "-1", "3601", "1.5", "soon", "\u0663", "1" * 6000])
def test_what_is_no_number_of_seconds_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match="Bramble-Ping"):
        ping_interval({"Bramble-Ping": value})


def test_the_path_names_project_and_node() -> None:
    assert events_path("p", "edge1") == "/p/edge1/events"


@pytest.mark.parametrize(("name", "node"), [("system:node:edge1", "edge1"), ("system:node:", None), ("edge1", None), ("kubeedge.io", None)])
def test_a_common_name_names_a_node_only_in_kubernetes_form(name: str, node: str | None) -> None:
    assert node_of_common_name(name) == node
