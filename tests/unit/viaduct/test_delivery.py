"""Who is owed what, without a clock (P4; D2, D3, D4)."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viaduct.delivery import PLAIN_TIMING, Delivery, Timing
from viaduct.message import Message, new_message


def message(version: int | None = None, *, msg_id: str | None = None, operation: str = "update", content: object = None) -> Message:
    return new_message(
        source="t",
        group="resource",
        operation=operation,
        resource="default/pod/p",
        now_ms=0,
        content=content,
        msg_id=msg_id,
        resource_version="" if version is None else str(version),
    )


def test_a_message_is_sent_once_until_its_retry_time() -> None:
    delivery = Delivery(Timing(first_retry=5.0))
    delivery.offer("a", message(1, msg_id="m1"))
    assert [m.id for m in delivery.due(0.0)] == ["m1"]
    assert delivery.due(4.9) == []
    assert [m.id for m in delivery.due(5.0)] == ["m1"]
    assert delivery.resent == 1


def test_retries_wait_twice_as_long_twice() -> None:
    delivery = Delivery(Timing(first_retry=1.0))
    delivery.offer("a", message(1))
    sent, now = [0.0], 0.0
    delivery.due(now)
    while len(sent) < 6:
        now = delivery.next_time() or 0.0
        assert delivery.due(now)
        sent.append(now)
    assert [b - a for a, b in itertools.pairwise(sent)] == [1.0, 2.0, 4.0, 4.0, 4.0]


def test_the_newest_version_takes_the_place_of_a_waiting_one() -> None:
    delivery = Delivery()
    assert delivery.offer("a", message(9))
    assert delivery.offer("a", message(10, msg_id="new"))
    assert [m.id for m in delivery.due(0.0)] == ["new"]
    assert delivery.waiting == 0


@pytest.mark.parametrize("late", [3, 9, 10])
def test_an_older_or_equal_version_never_replaces_a_newer_one(late: int) -> None:
    delivery = Delivery()
    delivery.offer("a", message(10, msg_id="new"))
    assert not delivery.offer("a", message(late))
    assert [m.id for m in delivery.due(0.0)] == ["new"]


def test_an_older_version_is_left_out_while_a_newer_one_flies() -> None:
    delivery = Delivery()
    delivery.offer("a", message(10))
    delivery.due(0.0)
    assert not delivery.offer("a", message(9))


def test_a_deletion_replaces_an_update_and_a_later_object_replaces_the_deletion() -> None:
    delivery = Delivery()
    delivery.offer("a", message(10))
    assert delivery.offer("a", message(10, operation="delete", msg_id="gone"))
    assert delivery.offer("a", message(12, operation="insert", msg_id="again"))
    assert [m.id for m in delivery.due(0.0)] == ["again"]


def test_never_two_of_one_lane_are_in_flight() -> None:
    delivery = Delivery()
    delivery.offer("a", message(1, msg_id="m1"))
    delivery.due(0.0)
    delivery.offer("a", message(2, msg_id="m2"))
    assert delivery.due(0.1) == []
    assert delivery.acknowledged("m1", 0.2) is not None
    assert [m.id for m in delivery.due(0.2)] == ["m2"]


def test_events_of_one_lane_are_all_kept_and_sent_in_order() -> None:
    delivery = Delivery()
    for number in range(5):
        delivery.offer("events", message(msg_id=f"m{number}"), replaces=False)
    seen = []
    for _ in range(5):
        (sent,) = delivery.due(0.0)
        seen.append(sent.id)
        delivery.acknowledged(sent.id, 0.0)
    assert seen == [f"m{number}" for number in range(5)]


def test_no_more_than_the_window_are_in_flight() -> None:
    delivery = Delivery(Timing(window=3))
    for number in range(10):
        delivery.offer(f"lane{number}", message(msg_id=f"m{number}"))
    assert len(delivery.due(0.0)) == 3
    assert delivery.due(0.0) == []
    delivery.acknowledged("m1", 0.1)
    assert [m.id for m in delivery.due(0.1)] == ["m3"]


def test_a_plain_peer_gets_one_at_a_time_every_five_seconds() -> None:
    delivery = Delivery(PLAIN_TIMING)
    delivery.offer("a", message(1, msg_id="m1"))
    delivery.offer("b", message(1, msg_id="m2"))
    times = [now for now in range(26) if delivery.due(float(now))]
    assert times == [0, 5, 10, 15, 20, 25]


def test_a_duplicate_or_unknown_acknowledgement_is_nothing() -> None:
    delivery = Delivery()
    delivery.offer("a", message(1, msg_id="m1"))
    delivery.due(0.0)
    assert delivery.acknowledged("m1", 0.1) is not None
    assert delivery.acknowledged("m1", 0.2) is None
    assert delivery.acknowledged("other", 0.2) is None


def test_a_measured_round_trip_sets_the_retry_time() -> None:
    delivery = Delivery(Timing(first_retry=5.0, min_retry=0.1, factor=4.0))
    delivery.offer("a", message(1, msg_id="m1"))
    delivery.due(0.0)
    delivery.acknowledged("m1", 0.5)
    delivery.offer("a", message(2))
    delivery.due(1.0)
    assert delivery.next_time() == pytest.approx(1.0 + 4 * 0.5)


def test_a_message_that_went_unheard_many_times_waits_no_longer_than_five_seconds_on_a_link_that_lives() -> None:
    delivery = Delivery()
    delivery.offer("a", message(1, msg_id="m1"))
    delivery.due(0.0)
    pauses = []
    now = 0.0
    for _ in range(6):
        then, now = now, delivery.next_time() or 0.0
        assert [m.id for m in delivery.due(now)] == ["m1"]
        pauses.append(now - then)
    assert pauses == [5.0] * 6


def test_on_a_line_whose_round_trip_is_longer_than_the_bound_the_round_trip_counts() -> None:
    delivery = Delivery()
    delivery.offer("a", message(1, msg_id="m1"))
    delivery.due(0.0)
    delivery.acknowledged("m1", 4.0)
    delivery.offer("a", message(2, msg_id="m2"))
    delivery.due(10.0)
    assert [m.id for m in delivery.due(26.0)] == ["m2"]
    assert delivery.next_time() == pytest.approx(26.0 + 4 * 4.0)


def test_a_message_that_was_put_off_is_said_again_only_then() -> None:
    delivery = Delivery(Timing(first_retry=1.0))
    delivery.offer("a", message(1, msg_id="m1"))
    delivery.due(0.0)
    delivery.put_off("m1", 0.5, 10.0)
    assert delivery.due(5.0) == []
    assert [m.id for m in delivery.due(10.5)] == ["m1"]


def test_after_a_cut_what_flew_waits_first_and_a_newer_version_replaces_it() -> None:
    delivery = Delivery()
    delivery.offer("a", message(1, msg_id="a1"))
    delivery.offer("b", message(1, msg_id="b1"))
    delivery.due(0.0)
    delivery.offer("a", message(2, msg_id="a2"))
    delivery.disconnected()
    assert (delivery.in_flight, delivery.waiting) == (0, 2)
    assert sorted(m.id for m in delivery.due(1.0)) == ["a2", "b1"]


def test_events_that_flew_at_the_cut_come_before_those_that_waited() -> None:
    delivery = Delivery()
    for number in range(3):
        delivery.offer("events", message(msg_id=f"m{number}"), replaces=False)
    delivery.due(0.0)
    delivery.disconnected()
    assert [m.id for _, m in delivery.owed()] == ["m0", "m1", "m2"]


def test_a_forgotten_lane_owes_nothing() -> None:
    delivery = Delivery()
    delivery.offer("a", message(1, msg_id="m1"))
    delivery.due(0.0)
    delivery.offer("a", message(2))
    delivery.forget("a")
    assert list(delivery.owed()) == []
    assert delivery.acknowledged("m1", 1.0) is None


@settings(max_examples=min(60, settings.default.max_examples), deadline=None)
@given(seed=st.integers(0, 10**6), loss=st.floats(0.0, 0.6))
def test_over_a_lossy_link_every_lane_ends_at_its_newest_version_and_never_steps_back(seed: int, loss: float) -> None:
    chance = random.Random(seed)
    delivery = Delivery(Timing(window=4, first_retry=1.0))
    versions = dict.fromkeys("abcdef", 0)
    received = dict.fromkeys(versions, 0)
    now = 0.0
    for step in range(400):
        now += 0.3
        if step < 60:
            lane = chance.choice("abcdef")
            versions[lane] += 1
            delivery.offer(lane, message(versions[lane], content=lane))
        if chance.random() < 0.05:
            delivery.disconnected()
        for sent in delivery.due(now):
            if chance.random() < loss:
                continue
            lane, version = str(sent.content), sent.version or 0
            received[lane] = max(received[lane], version)
            if chance.random() >= loss:
                delivery.acknowledged(sent.id, now)
        assert delivery.waiting + delivery.in_flight <= 2 * len(versions)
    for step in range(100):
        for sent in delivery.due(now + 60.0 * (step + 1)):
            received[str(sent.content)] = max(received[str(sent.content)], sent.version or 0)
            delivery.acknowledged(sent.id, now + 60.0 * (step + 1))
    assert received == versions
    assert list(delivery.owed()) == []


def test_lanes_take_turns_so_that_one_with_much_to_say_delays_no_other() -> None:
    delivery = Delivery(Timing(window=1))
    for number in range(3):
        delivery.offer("loud", message(msg_id=f"loud{number}"), replaces=False)
    delivery.offer("quiet", message(msg_id="quiet"))
    seen = []
    for _ in range(4):
        (sent,) = delivery.due(0.0)
        seen.append(sent.id)
        delivery.acknowledged(sent.id, 0.0)
    assert seen == ["loud0", "quiet", "loud1", "loud2"]


def test_the_time_of_the_next_retry_is_that_of_what_is_still_in_flight() -> None:
    delivery = Delivery(Timing(first_retry=5.0))
    for number in range(3):
        delivery.offer(f"lane{number}", message(msg_id=f"m{number}"))
        delivery.due(float(number))
    delivery.put_off("m0", 1.0, 20.0)
    assert delivery.next_time() == 6.0
    delivery.acknowledged("m1", 2.0)
    assert delivery.next_time() == 7.0
    delivery.acknowledged("m2", 2.0)
    assert delivery.next_time() == 21.0
    delivery.forget("lane0")
    assert delivery.next_time() is None


def test_retry_times_of_what_was_acknowledged_do_not_pile_up_behind_one_that_never_is() -> None:
    delivery = Delivery()
    delivery.offer("stuck", message())
    delivery.due(0.0)
    for number in range(5000):
        delivery.offer("a", message(number, msg_id=f"m{number}"))
        delivery.due(0.0)
        delivery.acknowledged(f"m{number}", 0.0)
    assert len(delivery._retry_times) < 100
    assert (delivery.in_flight, delivery.waiting) == (1, 0)
