"""The updater (decision 0161): what an order ends with, and that the power may fail at any step of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecore.errors import UpdateError
from edgecore.updater import machine
from edgecore.updater.health import Seen
from edgecore.updates.order import Before, Journal, Order, Source, Step
from tests.unit.edgecore.updater.world import NAMES, NEW, OLD, World
from viaduct.upgrades.state import State

ORDER = Order("o1", Source.APT, NEW, database="/db", job=("up", "uid"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_good_version_stays_and_is_what_one_goes_back_to_later(world: World) -> None:
    result = world.run_through_cuts(ORDER, [])
    assert (result.state, result.was, result.version, result.job) == (State.SUCCESSFUL, OLD, NEW, ("up", "uid"))
    assert (world.installed_now, world.kept()) == (dict.fromkeys(NAMES, NEW), {NEW})
    assert {deb.version for deb in world.debs(world.folder.previous)} == {OLD}
    assert (world.folder.order(), world.folder.journal()) == (None, None)
    back = world.run_through_cuts(Order("o2", Source.FOLDER, OLD, folder=str(world.folder.previous)), [])
    assert (back.state, world.installed_now) == (State.SUCCESSFUL, dict.fromkeys(NAMES, OLD))


def test_a_version_with_which_edgecore_does_not_run_goes_away_again(world: World) -> None:
    world.broken = {NEW}
    result = world.run_through_cuts(ORDER, [])
    assert (result.state, world.installed_now, world.kept()) == (State.ROLLED_BACK, dict.fromkeys(NAMES, OLD), {OLD})
    assert "EdgeCore ended 1 times" in result.reason or "edgecore.service does not run" in result.reason


def test_over_another_form_of_the_database_it_goes_back_with_the_copy_from_before(world: World) -> None:
    world.broken, world.migrates = {NEW}, True
    assert world.run_through_cuts(ORDER, []).state is State.ROLLED_BACK
    assert (world.written, world.look().active) == (OLD, True)


def test_a_board_that_is_too_busy_to_say_how_it_is_for_a_while_is_waited_for(world: World) -> None:
    looks, busy = world.look, iter([True] * 5)

    def look() -> Seen:
        if set(world.installed_now.values()) == {NEW} and next(busy, False):
            raise UpdateError("systemctl show: timed out")
        return looks()

    world.look = look  # type: ignore[method-assign]
    assert world.run_through_cuts(ORDER, []).state is State.SUCCESSFUL


def test_a_version_that_does_not_install_goes_away_again(world: World) -> None:
    world.refused = {NEW}
    assert world.run_through_cuts(ORDER, []).state is State.ROLLED_BACK


def test_without_the_link_that_was_there_it_goes_back_and_does_not_ask_for_it_again(world: World) -> None:
    started = world.install

    def install(folder: Path) -> None:
        started(folder)
        world.connected = False

    world.install = install  # type: ignore[method-assign]
    result = world.run_through_cuts(ORDER, [])
    assert (result.state, result.reason) == (State.ROLLED_BACK, "not well within 300 s: there is no link to the cloud")


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (Order("x", Source.APT, "3.0"), "apt has no 3.0"),
        (Order("x", Source.APT, NEW, checks=("mem",)), "mem: none"),
        (Order("x", Source.DEB, NEW, packages=(("https://h/x.deb", "0"),)), "no network"),
    ],
)
def test_what_cannot_be_begun_changes_nothing(world: World, order: Order, says: str) -> None:
    result = world.run_through_cuts(order, [])
    assert (result.state, result.reason, world.installed_now) == (State.FAILED, says, dict.fromkeys(NAMES, OLD))


def test_without_a_way_back_nothing_is_begun(world: World) -> None:
    world.archive = {NEW}
    result = world.run_through_cuts(ORDER, [])
    assert result.state is State.FAILED
    assert "edgecore update keep" in result.reason


def test_packages_of_another_version_than_the_one_that_was_ordered_are_refused(world: World, tmp_path: Path) -> None:
    source = tmp_path / "debs"
    source.mkdir()
    for name in NAMES:
        (source / f"{name}_{NEW}.deb").write_text("")
    assert "not 3.0" in world.run_through_cuts(Order("a", Source.FOLDER, "3.0", folder=str(source)), []).reason
    (source / f"{NAMES[0]}_{NEW}.deb").unlink()
    assert f"lack {NAMES[0]}" in world.run_through_cuts(Order("b", Source.FOLDER, folder=str(source)), []).reason


def test_an_order_is_one_at_a_time(world: World) -> None:
    assert world.folder.place(ORDER)
    assert not world.folder.place(Order("o2", Source.APT, NEW))
    assert world.folder.order() == ORDER


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 70), max_size=8), broken=st.booleans(), migrates=st.booleans())
def test_wherever_the_power_fails_a_working_version_is_left_and_the_order_comes_to_its_end(
    cuts: list[int], broken: bool, migrates: bool
) -> None:
    with tempfile.TemporaryDirectory() as path:
        world = World(Path(path))
        world.broken = {NEW} if broken else set()
        world.migrates = migrates
        result = world.run_through_cuts(ORDER, cuts)
        runs = set(world.installed_now.values())
        assert world.whole
        assert runs in ({OLD}, {NEW})
        assert not runs & world.broken
        assert world.look().active
        assert (result.state is State.SUCCESSFUL) == (runs == {NEW})
        assert result.state in (State.SUCCESSFUL, State.ROLLED_BACK)
        assert world.kept() == runs
        if not broken and len(cuts) < machine.MOST_TRIES:
            assert runs == {NEW}


def test_a_board_that_boots_in_the_middle_of_an_update_is_asked_for_what_it_had_before(world: World) -> None:
    """A cut before the exchange: EdgeCore, its link and its containers are not up yet when the updater begins again."""
    installs = world.install

    def install(folder: Path) -> None:
        installs(folder)
        world.connected = False

    world.install = install  # type: ignore[method-assign]
    steps_until_the_check = 20
    result = world.run_through_cuts(ORDER, [steps_until_the_check])
    assert (result.state, result.reason) == (State.ROLLED_BACK, "not well within 300 s: there is no link to the cloud")


def test_an_edgecore_that_ran_when_the_order_came_is_asked_for_though_it_is_off_a_moment_later() -> None:
    ran = machine.with_before(machine.begun(ORDER, OLD), Before(True, True, ("d/job/a",)))
    assert machine.with_before(ran, Before()).before == Before(True, True)
    assert machine.with_before(machine.resumed(ran), Before()).before == Before(True, True, ("d/job/a",))


def test_what_is_cut_again_and_again_while_it_is_watched_is_given_up() -> None:
    journal = Journal("o", Step.WATCH, was=OLD, version=NEW)
    for _ in range(machine.MOST_TRIES - 1):
        journal = machine.resumed(journal)
    assert journal.step is Step.WATCH
    assert machine.resumed(journal).step is Step.BACK


def test_going_back_that_fails_is_tried_again_and_then_says_so() -> None:
    journal = Journal("o", Step.BACK, was=OLD, version=NEW, reason="bad")
    for _ in range(machine.MOST_TRIES - 1):
        journal = machine.failed(journal, "dpkg: error")
        assert journal.step is Step.BACK
    journal = machine.failed(journal, "dpkg: error")
    assert (journal.step, journal.end, journal.reason) == (Step.END, State.ROLLBACK_FAILED, "bad; going back to 1.0: dpkg: error")
