from __future__ import annotations

from typing import Any

import pytest

from edgecore.edged.deadlines import active_since, limit_of

YEAR = 365 * 86400.0
IN_2026 = 56 * YEAR


@pytest.mark.parametrize(
    ("spec", "limit"),
    [
        ({}, None),
        ({"activeDeadlineSeconds": 30}, 30.0),
        ({"activeDeadlineSeconds": 0}, None),
        ({"activeDeadlineSeconds": "30"}, None),
        ({"activeDeadlineSeconds": True}, None),
    ],
)
def test_how_long_a_pod_may_be_active(spec: dict[str, Any], limit: float | None) -> None:
    assert limit_of(spec) == limit


@pytest.mark.parametrize(
    ("what", "noted", "started", "wall", "since"),
    [
        ("a pod that begins now", None, IN_2026, IN_2026, 5000.0),
        ("EdgeCore was started again: the note counts, whatever the clocks say", 1000.0, IN_2026, IN_2026 + YEAR, 1000.0),
        ("a reboot: what the wall clock says", None, IN_2026, IN_2026 + 60, 4940.0),
        ("a reboot with a clock that is behind: it begins anew", None, IN_2026, 60.0, 5000.0),
        ("it began in 1970, and the clock was set since: it begins anew", None, 60.0, IN_2026, 5000.0),
        ("a note from the future is none", 6000.0, IN_2026, IN_2026, 5000.0),
    ],
)
def test_since_when_a_pod_is_active(what: str, noted: float | None, started: float, wall: float, since: float) -> None:
    assert active_since(noted, started=started, wall=wall, running=5000.0) == since, what
