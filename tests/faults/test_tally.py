"""The counting itself: what each way to go wrong comes to."""

from __future__ import annotations

from tests.faults.tally import Count, Events, States, explained, unsaved


def _states(sent: list[int], seen: list[int], begun: int = 0) -> States:
    states = States("level", begun)
    for number in sent:
        states.accept(number)
    for number in seen:
        states.see(number)
    return states


def test_a_state_that_was_replaced_before_it_arrived_is_coalesced() -> None:
    assert _states([1, 2, 3], [1, 3]).count() == Count(sent=3, delivered=2, coalesced=1)


def test_states_after_the_last_that_arrived_are_lost() -> None:
    assert _states([1, 2, 3, 4], [1, 2]).count() == Count(sent=4, delivered=2, lost=2)


def test_a_stream_that_goes_back_is_out_of_order_and_does_not_converge_until_the_newest_is_back() -> None:
    states = _states([1, 2, 3], [1, 3, 2])
    assert states.count().out_of_order == 1 and not states.converged and not states.count().good
    states.see(3)
    assert states.converged and states.count() == Count(sent=3, delivered=3, out_of_order=1)


def test_a_stream_that_ends_on_an_older_state_than_it_has_shown_is_unexplained() -> None:
    assert _states([1, 2, 3], [3, 1]).count().unexplained == 1


def test_a_number_that_nobody_was_promised_may_arrive_and_counts_nowhere() -> None:
    assert _states([1, 3], [1, 2, 3]).count() == Count(sent=2, delivered=2)


def test_counting_begins_where_the_stream_stands() -> None:
    assert _states([8, 9], [7, 9], begun=7).count() == Count(sent=2, delivered=1, coalesced=1)


def test_a_receiver_that_was_set_back_on_purpose_may_show_older_states_but_must_come_to_the_newest() -> None:
    states = _states([1, 2, 3], [3])
    states.forgive()
    states.see(1)
    assert not states.converged
    states.see(3)
    assert states.converged and states.count().out_of_order == 0


def test_an_event_that_lies_in_the_store_twice_is_a_duplicate() -> None:
    events = Events("source")
    for number in (1, 2):
        events.accept(number)
    for number in (1, 2, 2):
        events.see(number)
    assert events.count() == Count(sent=2, delivered=2, duplicated=1)


def test_an_event_that_lies_behind_a_later_one_is_out_of_order() -> None:
    events = Events("source")
    events.see(2)
    events.see(1)
    assert events.count().out_of_order == 1


def test_what_a_cap_dropped_is_explained_by_the_counter_and_no_more_than_that() -> None:
    events = Events("source")
    for number in range(1, 6):
        events.accept(number)
    events.see(4)
    events.refuse(5)
    assert explained(events.count(), 4) == Count(sent=5, delivered=1, dropped=4, counter=4)
    assert explained(events.count(), 4).good
    assert explained(events.count(), 3).lost == 1
    assert not explained(events.count(), 5).good


def test_what_lay_on_a_card_that_was_taken_away_counts_nowhere() -> None:
    events = Events("source")
    for number in (1, 2):
        events.accept(number)
    events.refuse(1)
    events.withdraw(1)
    events.withdraw(2)
    events.refuse(2)
    assert events.count() == Count()


def test_what_a_full_disk_did_not_take_must_be_what_the_board_counts() -> None:
    assert unsaved(3, 3, killed=False) == Count(sent=3, dropped=3, counter=3)
    assert unsaved(3, 2, killed=False).lost == 1
    assert unsaved(3, 0, killed=True) == Count()
    assert not unsaved(2, 3, killed=True).good
