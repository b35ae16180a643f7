"""The upgrade (contract 2.1; P2)."""

from __future__ import annotations

import pytest

from viaduct.handshake import Mode, choose_mode, events_path, node_of_common_name


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


def test_the_path_names_project_and_node() -> None:
    assert events_path("p", "edge1") == "/p/edge1/events"


@pytest.mark.parametrize(("name", "node"), [("system:node:edge1", "edge1"), ("system:node:", None), ("edge1", None), ("kubeedge.io", None)])
def test_a_common_name_names_a_node_only_in_kubernetes_form(name: str, node: str | None) -> None:
    assert node_of_common_name(name) == node
