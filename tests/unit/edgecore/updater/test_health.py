"""When a board counts as well after an exchange of packages."""

from __future__ import annotations

from dataclasses import replace

from edgecore.updater.health import ENDED_WELL, MOST_RESTARTS, RUNNING, SETTLED, Seen, Watch
from edgecore.updates.order import Before

GOOD = Seen(True, 5, 0, True, True, frozenset({"d/web"}), {"d/web/a": RUNNING})
BEFORE = Before(True, True, ("d/web/a",))


def test_all_must_be_well_for_a_while_with_one_process() -> None:
    watch = Watch(BEFORE)
    watch.see(GOOD, 0.0)
    assert not watch.is_well(SETTLED - 1)
    watch.see(replace(GOOD, pid=6), 10.0)
    assert not watch.is_well(SETTLED)
    assert watch.is_well(10.0 + SETTLED)
    watch.see(replace(GOOD, answers=False), 40.0)
    assert not watch.is_well(100.0)


def test_what_is_missing_is_named() -> None:
    watch = Watch(BEFORE)
    for seen, says in (
        (Seen(), "edgecore.service does not run"),
        (replace(GOOD, answers=False, containers={}), "EdgeCore does not answer"),
        (replace(GOOD, connected=False, containers={}), "there is no link to the cloud"),
        (replace(GOOD, containers={"d/web/a": "ended"}), "does not run any more: d/web/a"),
        (GOOD, ""),
    ):
        watch.see(seen, 0.0)
        assert watch.missing == says


def test_a_container_that_ran_since_or_ended_well_or_whose_pod_is_gone_is_not_missed() -> None:
    for last in (
        replace(GOOD, containers={"d/web/a": ENDED_WELL}),
        replace(GOOD, containers={}, pods=frozenset()),
    ):
        watch = Watch(BEFORE)
        watch.see(last, 0.0)
        assert watch.missing == ""
    watch = Watch(BEFORE)
    watch.see(GOOD, 0.0)
    watch.see(replace(GOOD, containers={}), 1.0)
    assert watch.missing == ""


def test_a_board_is_asked_for_no_more_than_it_had() -> None:
    watch = Watch(Before(True, False))
    watch.see(Seen(True, 5, 0, True), 0.0)
    assert watch.is_well(SETTLED)
    off = Watch(Before())
    off.see(Seen(), 0.0)
    assert off.is_well(0.0)


def test_one_that_ends_again_and_again_is_hopeless_at_once() -> None:
    watch = Watch(BEFORE)
    watch.see(Seen(False, 0, MOST_RESTARTS), 0.0)
    assert (watch.hopeless, watch.missing) == (True, f"EdgeCore ended {MOST_RESTARTS} times")


def test_how_often_another_version_ended_is_not_held_against_this_one() -> None:
    """systemd's count goes on over a restart that meets one of its own."""
    watch = Watch(BEFORE, after_another=True)
    watch.see(Seen(restarts=-1), 0.0)
    watch.see(replace(GOOD, restarts=6), 3.0)
    assert not watch.hopeless
    watch.see(replace(GOOD, restarts=6), 3.0 + SETTLED)
    assert watch.is_well(3.0 + SETTLED)


def test_what_was_seen_running_is_what_is_asked_for_later() -> None:
    assert replace(GOOD, containers={"d/web/a": RUNNING, "d/job/b": "ended"}).as_before() == BEFORE
