"""After a power cut while an image came: it is looked through, and fetched again where files of it are empty."""

from __future__ import annotations

import threading

import pytest

from edgecore.containers.arrivals import Arrivals
from edgecore.containers.images import PullPolicy
from edgecore.containers.model import ContainerSpec, Network, State
from edgecore.containers.pulls import Answer, Failed, Present, Pulling, Pulls
from edgecore.errors import EngineUnreachable, ImagePullError
from tests.fakes.runtime import FakeRuntime

NAME = "quay.io/web:1"


class Paper:
    def __init__(self, *coming: str) -> None:
        self.notes = set(coming)

    def coming(self) -> set[str]:
        return set(self.notes)

    def note_coming(self, what: str) -> None:
        self.notes.add(what)

    def note_settled(self, what: str) -> None:
        self.notes.discard(what)


class Board:
    """Just started, with what was noted before."""

    def __init__(self, runtime: FakeRuntime, *coming: str) -> None:
        self.paper = Paper(*coming)
        self.arrivals = Arrivals(lambda: runtime, self.paper)
        self.pulls = Pulls(lambda: runtime, stall=5.0, arrivals=self.arrivals)

    def ask(self, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT) -> Answer:
        """The first answer that is not to wait."""
        for _ in range(5):
            woken = threading.Event()
            answer = self.pulls.want(NAME, policy, credentials="", asker="u1", wake=woken.set)
            if not isinstance(answer, Pulling):
                return answer
            assert woken.wait(5)
        raise AssertionError("it waits for ever")


def test_a_pull_is_noted_while_it_lasts() -> None:
    board = Board(FakeRuntime(local=set(), registry={NAME}))
    seen: list[set[str]] = []
    assert board.arrivals.bring(NAME, lambda: seen.append(board.paper.coming()), lambda _: []) is None
    assert seen == [{NAME}] and board.paper.notes == set()


def test_a_pull_that_was_refused_leaves_no_note() -> None:
    board = Board(FakeRuntime(local=set()))
    assert isinstance(board.ask(), Failed)
    assert board.paper.notes == set()


def test_a_pull_that_ended_with_the_engine_stays_noted() -> None:
    board = Board(FakeRuntime())

    def dies() -> None:
        raise EngineUnreachable("gone")

    with pytest.raises(EngineUnreachable):
        board.arrivals.bring(NAME, dies, lambda _: [])
    assert board.paper.notes == {NAME}


def test_a_whole_image_is_used_without_its_registry() -> None:
    runtime = FakeRuntime(local={NAME})
    board = Board(runtime, NAME)
    assert isinstance(board.ask(), Present)
    assert runtime.pulls == [] and board.paper.notes == set()


@pytest.mark.parametrize("policy", [PullPolicy.IF_NOT_PRESENT, PullPolicy.ALWAYS])
def test_a_spoilt_image_is_removed_and_fetched(policy: PullPolicy) -> None:
    runtime = FakeRuntime(local={NAME}, registry={NAME}, spoilt={NAME})
    board = Board(runtime, NAME)
    assert isinstance(board.ask(policy), Present)
    assert runtime.pulls == [NAME] and runtime.spoilt == set() and board.paper.notes == set()


def test_layers_that_came_before_the_cut_may_be_spoilt_too() -> None:
    runtime = FakeRuntime(local=set(), registry={NAME}, spoilt={NAME})
    board = Board(runtime, NAME)
    assert isinstance(board.ask(), Present)
    assert runtime.pulls == [NAME, NAME] and runtime.spoilt == set() and board.paper.notes == set()


def test_an_image_stays_in_doubt_while_its_registry_cannot_be_reached() -> None:
    board = Board(FakeRuntime(local=set()), NAME)
    assert isinstance(board.ask(), Failed)
    assert board.paper.notes == {NAME} and board.arrivals.is_doubtful(NAME)


def test_containers_of_a_spoilt_image_go_with_it() -> None:
    runtime = FakeRuntime(local={NAME}, registry={NAME}, spoilt={NAME})
    labels = (("io.bramble.managed", "true"),)
    ended = runtime.create(ContainerSpec(name="ended", image=NAME, labels=labels, network=Network(hostname="h")))
    board = Board(runtime, NAME)
    assert isinstance(board.ask(), Present)
    assert runtime.look(ended) is None and State.RUNNING not in {c.state for c in runtime.containers()}


def test_an_image_that_cannot_be_removed_is_used_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(FakeRuntime):
        def remove_image(self, image: str) -> None:
            raise ImagePullError(image, "in use")

    board = Board(Stubborn(local={NAME}, spoilt={NAME}), NAME)
    assert isinstance(board.ask(), Present)
    assert "stays" in caplog.text
