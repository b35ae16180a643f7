"""The matrix in its short form: every profile once, a few rounds each. ``make faults`` runs it in full."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.faults import matrix, report
from tests.faults.ground import Ground, Kind
from tests.faults.profiles import PROFILES, Profile

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def ground_of() -> Iterator[Callable[[Kind], Ground]]:
    """The ground for boards of a kind, made when the first profile asks for it."""
    made: dict[Kind, Ground] = {}
    with contextlib.ExitStack() as entered:

        def of(kind: Kind) -> Ground:
            if kind not in made:
                made[kind] = entered.enter_context(Ground(kind))
            return made[kind]

        yield of


@pytest.mark.parametrize("profile", [each for each in PROFILES if each.short.times], ids=lambda profile: profile.name)
def test_nothing_is_lost_doubled_or_out_of_order(ground_of: Callable[[Kind], Ground], profile: Profile) -> None:
    if not matrix.is_possible(profile):
        pytest.skip("needs root")
    row = matrix.one(ground_of(profile.kind), profile, full=False)
    assert row.good, "\n".join((report.line(row), *row.remarks))
