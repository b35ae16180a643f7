"""The bench is run rarely, so what would break it must show without running it."""

from __future__ import annotations

from tests.bench.__main__ import GROUPS


def test_every_figure_has_a_name_of_its_own() -> None:
    names = [name for group in GROUPS for name in group.names]
    assert len(names) == len(set(names)) > 20
