"""What is wrong with a device, told when it changes and not more often (P6.17)."""

from __future__ import annotations

from mappers.sdk.faultbook import QUIET_SECONDS, FaultBook, Telling
from viaduct.faults import AWAY, DESCRIPTION, OUT_OF_RANGE, TIMEOUT, Fault

NEVER = float("inf")


def codes(book: FaultBook) -> list[tuple[str, str]]:
    return [(fault.property, fault.code) for fault in book.current()]


def test_a_property_that_could_never_be_read_is_at_fault_at_once_one_that_could_at_the_second_refusal() -> None:
    book = FaultBook()
    book.not_read("wrong", "", "no such register")
    assert codes(book) == [("wrong", "ReadRefused")]
    book.was_read("good")
    book.not_read("good", "", "noise")
    assert codes(book) == [("wrong", "ReadRefused")]
    book.not_read("good", "Checksum", "noise")
    assert codes(book) == [("good", "Checksum"), ("wrong", "ReadRefused")]


def test_a_property_is_well_after_two_good_reads() -> None:
    book = FaultBook()
    book.not_read("p", "", "no")
    book.was_read("p")
    assert codes(book) == [("p", "ReadRefused")]
    book.was_read("p")
    assert codes(book) == []


def test_of_a_device_that_is_away_nobody_knows_what_it_would_refuse_but_what_was_desired_in_vain_stays() -> None:
    book = FaultBook((Fault("q", DESCRIPTION, "register: is missing"),))
    book.not_read("p", "", "no")
    book.not_written("s", OUT_OF_RANGE, "400 is more than the maximum 350")
    book.away(TIMEOUT, "no answer")
    assert codes(book) == [("", TIMEOUT), ("q", DESCRIPTION), ("s", OUT_OF_RANGE)]
    book.back()
    assert codes(book) == [("p", "ReadRefused"), ("q", DESCRIPTION), ("s", OUT_OF_RANGE)]


def test_what_nobody_desires_any_more_is_not_refused_any_more() -> None:
    book = FaultBook()
    book.not_written("s", OUT_OF_RANGE, "too much")
    book.wishes_are({"s", "t"})
    assert codes(book) == [("s", OUT_OF_RANGE)]
    book.wishes_are({"t"})
    assert codes(book) == []


def test_a_value_that_edgecore_refuses_is_a_fault_until_it_takes_one() -> None:
    book = FaultBook()
    book.not_taken("p", "ReportRefused", "the value is not int")
    book.taken(["q"])
    assert codes(book) == [("p", "ReportRefused")]
    book.taken(["p"])
    assert codes(book) == []


AWAY_NOW = (Fault("", AWAY, "no answer"),)


def test_a_change_is_told_at_once_and_nothing_is_told_twice() -> None:
    telling = Telling()
    telling.now_are((), 0.0)
    assert telling.due == 0.0
    telling.was_told(0.0)
    telling.now_are(AWAY_NOW, 5.0)
    assert telling.due == 5.0
    telling.was_told(5.0)
    telling.now_are(AWAY_NOW, 6.0)
    assert telling.due == NEVER


def test_other_words_for_the_same_are_no_change_but_another_description_is() -> None:
    telling = Telling()
    telling.now_are((Fault("", TIMEOUT, "no answer within 1.003 s"), Fault("p", DESCRIPTION, "offset: got 70000")), 0.0)
    telling.was_told(0.0)
    telling.now_are((Fault("", TIMEOUT, "no answer within 1.007 s"), Fault("p", DESCRIPTION, "offset: got 70000")), 1.0)
    assert telling.due == NEVER
    telling.now_are((Fault("", TIMEOUT, "no answer within 1.007 s"), Fault("p", DESCRIPTION, "offset: got 80000")), 1.0)
    assert telling.due == 1.0


def test_what_comes_and_goes_ten_times_a_second_is_told_further_and_further_apart() -> None:
    telling, said, now = Telling(), [], 0.0
    while now < 600.0:
        telling.now_are(AWAY_NOW if int(now * 10) % 2 else (), now)
        if telling.due <= now:
            telling.was_told(now)
            said.append(now)
        now += 0.1
    assert len(said) < 20
    now += QUIET_SECONDS
    telling.now_are(() if telling.faults else AWAY_NOW, now)
    telling.was_told(now)
    telling.now_are(() if telling.faults else AWAY_NOW, now + 1)
    assert telling.due == now + 1


def test_a_change_that_is_taken_back_before_it_was_told_is_not_told() -> None:
    telling = Telling()
    telling.was_told(0.0)
    telling.now_are(AWAY_NOW, 1.0)
    telling.was_told(1.0)
    telling.now_are((), 1.1)
    assert telling.due > 1.1
    telling.now_are(AWAY_NOW, 1.2)
    assert telling.due == NEVER
