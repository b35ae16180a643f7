"""What systemd says of EdgeCore, as the updater sees it."""

from __future__ import annotations

import pytest

from edgecore.errors import UpdateError
from edgecore.updater import board
from edgecore.updater.board import Board
from edgecore.updater.health import Seen


@pytest.mark.parametrize(
    ("shown", "seen"),
    [
        ("MainPID=7\nNRestarts=1\nActiveState=active\n", Seen(True, 7, 1)),
        ("MainPID=0\nNRestarts=0\nActiveState=inactive\n", Seen()),
        ("MainPID=0\nNRestarts=0\nActiveState=inactive\nJob=12\n", Seen(starting=True)),
        ("MainPID=7\nNRestarts=0\nActiveState=activating\nJob=12\n", Seen(False, 7, starting=True)),
        ("MainPID=0\nNRestarts=3\nActiveState=failed\nJob=0\n", Seen(False, 0, 3)),
    ],
)
def test_an_edgecore_whose_start_waits_is_told_from_one_that_is_off(shown: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "_systemctl", lambda *_: shown)
    assert Board("").look() == seen


def test_a_systemd_that_says_nothing_is_not_taken_for_an_edgecore_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "_systemctl", lambda *_: "")
    with pytest.raises(UpdateError):
        Board("").look()
