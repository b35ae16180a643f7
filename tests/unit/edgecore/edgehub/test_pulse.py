"""Signs of life: few on an idle link, and doubt is soon settled (P2.5)."""

from __future__ import annotations

import pytest

from edgecore.edgehub.pulse import DOUBT, PATIENCE, Pulse, Sign, Signs


def test_an_idle_link_is_pinged_once_an_interval_after_the_last_word() -> None:
    pulse = Pulse(180.0, 0.0)
    assert pulse.look(0.0, Signs(0.0, 0.0, 0.0), waits=False) is Sign.NOTHING
    assert pulse.next_time() == 180.0
    assert pulse.look(100.0, Signs(90.0, 0.0, 90.0), waits=False) is Sign.NOTHING
    assert pulse.next_time() == 270.0
    assert pulse.look(270.0, Signs(90.0, 0.0, 90.0), waits=False) is Sign.PING
    assert pulse.look(271.0, Signs(90.0, 0.0, 90.0), waits=False) is Sign.NOTHING, "it is still being written"
    assert pulse.look(272.0, Signs(270.5, 270.5, 270.6), waits=False) is Sign.NOTHING
    assert pulse.next_time() == 450.5


def test_a_ping_without_an_answer_is_the_end() -> None:
    pulse = Pulse(180.0, 0.0)
    signs = Signs(200.0, 200.0, 10.0)
    assert pulse.look(201.0, signs, waits=False) is Sign.NOTHING
    assert pulse.next_time() == 200.0 + PATIENCE
    assert pulse.look(200.0 + PATIENCE, signs, waits=False) is Sign.DEAD
    assert pulse.next_time() > 200.0 + PATIENCE, "the end takes its time; nobody spins meanwhile"


@pytest.mark.parametrize("heard", [200.1, 219.0])
def test_whatever_comes_is_an_answer(heard: float) -> None:
    assert Pulse(180.0, 0.0).look(220.0, Signs(200.0, 200.0, heard), waits=False) is Sign.NOTHING


def test_who_waits_for_an_answer_and_hears_nothing_asks_soon() -> None:
    pulse = Pulse(180.0, 0.0)
    assert pulse.look(50.0, Signs(50.0, 0.0, 0.0), waits=True) is Sign.NOTHING
    assert pulse.next_time() == 50.0 + DOUBT
    assert pulse.look(55.0, Signs(55.0, 0.0, 52.0), waits=True) is Sign.NOTHING, "something was heard"
    assert pulse.look(61.0, Signs(61.0, 0.0, 52.0), waits=True) is Sign.NOTHING
    assert pulse.look(62.0, Signs(62.0, 0.0, 52.0), waits=True) is Sign.PING
    assert pulse.look(62.5, Signs(62.5, 62.4, 52.0), waits=False) is Sign.NOTHING, "the ping is out"


def test_who_waits_no_longer_is_idle() -> None:
    pulse = Pulse(180.0, 0.0)
    pulse.look(50.0, Signs(50.0, 0.0, 0.0), waits=True)
    assert pulse.look(90.0, Signs(50.0, 0.0, 50.1), waits=False) is Sign.NOTHING
    assert pulse.next_time() == 230.0
