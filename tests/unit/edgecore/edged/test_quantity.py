from __future__ import annotations

from fractions import Fraction

import pytest

from edgecore.edged.quantity import cpu_quota, cpu_shares, milli, quantity, whole


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        (2, 2),
        ("500m", Fraction(1, 2)),
        ("0.5", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("64Mi", 64 * 1024**2),
        ("1.5Gi", 3 * 512 * 1024**2),
        ("1k", 1000),
        ("2e3", 2000),
        ("2E3", 2000),
        ("1E", 10**18),
        ("12e-1", Fraction(6, 5)),
        ("100n", Fraction(1, 10**7)),
    ],
)
def test_every_form_of_a_quantity_is_exact(text: object, number: object) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "abc", "1x", "1 Gi", "--1", "1e", "1e999", "Mi", None, True, [], "9" * 40, "1Mi\x00"])
def test_what_is_no_quantity_is_refused_and_shown(text: object) -> None:
    with pytest.raises(ValueError, match="expected a quantity"):
        quantity(text)


def test_fractions_are_rounded_up() -> None:
    assert (milli("0.0001"), whole("1.1"), milli("1.5")) == (1, 2, 1500)


@pytest.mark.parametrize(("cpu", "shares", "quota"), [(1000, 1024, 100_000), (500, 512, 50_000), (1, 2, 1000), (2500, 2560, 250_000)])
def test_cpu_becomes_weight_and_quota_with_the_kernels_least_values(cpu: int, shares: int, quota: int) -> None:
    assert (cpu_shares(cpu), cpu_quota(cpu)) == (shares, quota)
