"""Which brokers are used (contract 7.1)."""

from __future__ import annotations

import pytest

from edgecore.eventbus.modes import BOTH, EXTERNAL, INTERNAL, Seen, plan

THERE, AWAY = "", "no broker answers at 127.0.0.1:1883"


@pytest.mark.parametrize(
    ("mode", "refusal", "taken", "program", "fallback", "external", "own", "port"),
    [
        (EXTERNAL, THERE, False, True, True, True, False, 0),
        (EXTERNAL, THERE, True, False, False, True, False, 0),
        (EXTERNAL, AWAY, False, True, True, False, True, 1884),
        (EXTERNAL, AWAY, True, True, True, False, True, 0),
        (EXTERNAL, AWAY, False, True, False, True, False, 0),
        (EXTERNAL, AWAY, False, False, True, True, False, 0),
        (INTERNAL, THERE, False, True, True, False, True, 1884),
        (INTERNAL, AWAY, True, True, False, False, True, 0),
        (INTERNAL, AWAY, False, False, True, False, False, 1884),
        (BOTH, AWAY, False, True, False, True, True, 1884),
        (BOTH, THERE, False, False, False, True, False, 1884),
    ],
)
def test_a_plan_for_every_mode(
    mode: int, refusal: str, taken: bool, program: bool, fallback: bool, external: bool, own: bool, port: int
) -> None:
    made = plan(mode, Seen(refusal, taken, "/usr/sbin/mosquitto" if program else ""), internal_port=1884, fallback=fallback)
    assert (made.use_external, made.run_own) == (external, own)
    if made.run_own:
        assert made.own_port == port
    assert str(mode) in made.reason


def test_a_missing_program_is_trouble_only_where_it_is_needed() -> None:
    assert "apt install mosquitto" in plan(INTERNAL, Seen(AWAY, False, ""), internal_port=1884, fallback=True).trouble
    assert plan(EXTERNAL, Seen(THERE, False, ""), internal_port=1884, fallback=True).trouble == ""


def test_a_port_that_is_taken_is_said() -> None:
    assert "1884 is taken" in plan(INTERNAL, Seen(AWAY, True, "m"), internal_port=1884, fallback=True).reason
