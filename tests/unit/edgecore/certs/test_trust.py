"""Who is taken for the cloud, and what time it is (P2.9), in tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecore.certs.clock import SignedClock, last_signed, write_down
from edgecore.certs.trust import Doubt, doubt

IN_DATE = 1_790_000_000.0


def certificate(*names: tuple[str, str]) -> dict[str, Any]:
    return {"subjectAltName": names, "notBefore": "Jan  1 00:00:00 2026 GMT", "notAfter": "Jan  1 00:00:00 2027 GMT"}


@pytest.mark.parametrize(
    ("names", "host", "taken"),
    [
        ([("DNS", "cloudcore.bramble")], "192.0.2.1", True),
        ([("DNS", "localhost"), ("DNS", "cloudcore.bramble")], "anything.example", True),
        ([("IP Address", "192.0.2.1")], "192.0.2.1", True),
        ([("IP Address", "192.0.2.1")], "192.0.2.2", False),
        ([("IP Address", "2001:DB8:0:0:0:0:0:1")], "2001:db8::1", True),
        ([("DNS", "192.0.2.1")], "192.0.2.1", False),
        ([("DNS", "cloud.example")], "Cloud.Example", True),
        ([("DNS", "cloud.example")], "cloud.example.", True),
        ([("DNS", "cloud.example")], "example", False),
        ([("DNS", "cloud.example")], "evil.cloud.example", False),
        ([("DNS", "*.example")], "cloud.example", True),
        ([("DNS", "*.example")], "a.cloud.example", False),
        ([("DNS", "*")], "cloud", False),
        ([("DNS", "system:node:cloudcore.bramble")], "192.0.2.1", False),
        ([("URI", "cloudcore.bramble")], "192.0.2.1", False),
        ([], "192.0.2.1", False),
    ],
)
def test_a_name_makes_a_cloud(names: list[tuple[str, str]], host: str, taken: bool) -> None:
    assert doubt(certificate(*names), host, IN_DATE) is (None if taken else Doubt.NAME)


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (0, Doubt.EARLY),
        (1_767_225_599, Doubt.EARLY),
        (1_767_225_600, None),
        (1_798_761_599, None),
        (1_798_761_600, Doubt.LATE),
        (4e9, Doubt.LATE),
    ],
)
def test_dates_are_judged_at_the_time_given(now: float, verdict: Doubt | None) -> None:
    assert doubt(certificate(("DNS", "cloudcore.bramble")), "x", now) is verdict


def test_a_wrong_name_counts_before_a_wrong_date_and_no_certificate_is_no_cloud() -> None:
    assert doubt(certificate(), "x", 0) is Doubt.NAME
    assert doubt(None, "x", IN_DATE) is Doubt.NAME
    assert doubt({}, "x", IN_DATE) is Doubt.NAME


class Board:
    """A clock that a test sets, and one that nobody can."""

    def __init__(self, file: Path, wall: float) -> None:
        self.wall = wall
        self.uptime = 100.0
        self.clock = SignedClock(file, wall=lambda: self.wall, elapsed=lambda: self.uptime)


def test_the_boards_own_clock_counts_until_a_signed_time_is_heard(tmp_path: Path) -> None:
    board = Board(tmp_path / "t", 1000.0)
    assert (board.clock.now(), board.clock.age()) == (1000.0, None)
    board.clock.hear(2000.0)
    board.uptime += 5
    board.wall = 9e9
    assert (board.clock.now(), board.clock.age()) == (2005.0, 5.0)


def test_no_clock_set_back_goes_before_what_was_written_down(tmp_path: Path) -> None:
    write_down(tmp_path / "t", 5000)
    board = Board(tmp_path / "t", 0.0)
    assert board.clock.now() == 5000
    board.wall = 6000.0
    assert board.clock.now() == 6000


def test_a_signed_time_lower_than_the_last_one_counts(tmp_path: Path) -> None:
    """The cloud's own clock ran ahead for a day; who answers a fresh nonce with the CA's key knows better."""
    write_down(tmp_path / "t", 5_000_000)
    board = Board(tmp_path / "t", 1000.0)
    board.clock.hear(2000.0)
    assert board.clock.now() == 2000.0


@pytest.mark.parametrize("content", [b"", b"soon", b"-5", b"9" * 40, b"\xff\xfe", b"1.5"])
def test_what_is_no_time_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    assert last_signed(tmp_path / "t") == 0
    assert last_signed(tmp_path / "none") == 0
