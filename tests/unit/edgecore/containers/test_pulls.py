from __future__ import annotations

import threading
import time

from edgecore.containers.images import PullPolicy
from edgecore.containers.progress import Fetched, PullBoard
from edgecore.containers.pulls import Answer, Failed, Present, Pulling, Pulls
from tests.fakes.runtime import FakeRuntime

NAME = "quay.io/web:1"


class Asker:
    """Asks as a pod worker does: when it is woken."""

    def __init__(self, runtime: FakeRuntime, uid: str = "u1") -> None:
        self.now = 0.0
        self.pulls = Pulls(lambda: runtime, stall=5.0, clock=lambda: self.now)
        self.woken = threading.Event()
        self.uid = uid

    def ask(self, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT, name: str = NAME) -> Answer:
        return self.pulls.want(name, policy, credentials="", asker=self.uid, wake=self.woken.set)

    def settle(self, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT) -> Answer:
        self.woken.clear()
        answer = self.ask(policy)
        if isinstance(answer, Pulling):
            assert self.woken.wait(5)
            return self.ask(policy)
        return answer


def test_an_image_that_is_here_is_not_pulled_and_asked_for_once() -> None:
    runtime = FakeRuntime(local={NAME})
    asker = Asker(runtime)
    assert asker.ask() == Present(NAME, f"sha-{NAME}")
    runtime.local.clear()
    assert isinstance(asker.ask(), Present)
    asker.pulls.forget(NAME)
    assert isinstance(asker.ask(PullPolicy.NEVER), Failed)
    assert runtime.pulls == []


def test_two_pods_that_want_one_image_share_one_pull() -> None:
    runtime = FakeRuntime(local=set(), registry={NAME})
    gate = runtime.slow[NAME] = threading.Event()
    asker = Asker(runtime)
    assert isinstance(asker.ask(), Pulling) and isinstance(asker.ask(), Pulling)
    gate.set()
    assert asker.woken.wait(5)
    assert isinstance(asker.settle(), Present)
    assert runtime.pulls == [NAME]


def test_an_image_is_not_used_before_its_pull_says_that_it_is_on_the_disk() -> None:
    runtime = FakeRuntime(local=set(), registry={NAME})
    gate = runtime.slow[NAME] = threading.Event()
    asker = Asker(runtime)
    assert isinstance(asker.ask(), Pulling)
    runtime.local.add(NAME)
    assert isinstance(asker.ask(), Pulling)
    gate.set()
    assert asker.woken.wait(5)
    assert isinstance(asker.settle(), Present)


def test_a_wrong_password_holds_up_only_who_gave_it() -> None:
    runtime = FakeRuntime(local=set(), registry={NAME}, locked={NAME: "right"})
    asker = Asker(runtime)
    assert isinstance(asker.settle(), Failed)
    asker.woken.clear()
    assert isinstance(asker.pulls.want(NAME, PullPolicy.IF_NOT_PRESENT, credentials="right", asker="b", wake=asker.woken.set), Pulling)
    assert asker.woken.wait(5)
    assert asker.ask() == Present(NAME, f"sha-{NAME}")


def test_a_failed_pull_waits_longer_each_time() -> None:
    runtime = FakeRuntime(local=set())
    asker = Asker(runtime)
    for delay in (10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0):
        failed = asker.settle()
        assert failed == Failed("manifest unknown", asker.now + delay)
        assert asker.ask() == failed
        asker.now += delay
    runtime.registry.add(NAME)
    assert isinstance(asker.settle(), Present)


def test_always_fetches_once_for_a_pod_and_falls_back_on_what_is_here() -> None:
    runtime = FakeRuntime(local={NAME}, registry={NAME})
    asker = Asker(runtime)
    assert isinstance(asker.settle(PullPolicy.ALWAYS), Present)
    assert isinstance(asker.settle(PullPolicy.ALWAYS), Present)
    assert runtime.pulls == [NAME]
    runtime.registry.clear()
    asker.uid = "u2"
    assert isinstance(asker.settle(PullPolicy.ALWAYS), Present)
    assert runtime.pulls == [NAME, NAME]


def test_a_name_without_a_registry_is_first_looked_for_here_then_pulled_in_full() -> None:
    runtime = FakeRuntime(local={"docker.io/library/web:1"})
    assert Asker(runtime).ask(name="web:1") == Present("docker.io/library/web:1", "sha-docker.io/library/web:1")
    empty = FakeRuntime(local=set(), registry={"docker.io/library/web:2"})
    asker = Asker(empty)
    assert isinstance(asker.ask(name="web:2"), Pulling)
    deadline = time.monotonic() + 5
    while not isinstance(asker.ask(name="web:2"), Present):
        assert time.monotonic() < deadline
    assert empty.pulls == ["docker.io/library/web:2"]


def test_how_far_a_pull_has_come_shows_while_it_lasts() -> None:
    runtime, board = FakeRuntime(local=set(), registry={NAME}), PullBoard()
    gate = runtime.slow[NAME] = threading.Event()
    asker = Asker(runtime)
    asker.pulls = Pulls(lambda: runtime, stall=5.0, board=board, clock=lambda: asker.now)
    asker.ask()
    deadline = time.monotonic() + 5
    while board.read() != {NAME: Fetched(50, 100)}:
        assert time.monotonic() < deadline
    assert asker.ask() == Pulling(Fetched(50, 100))
    gate.set()
    assert asker.woken.wait(5)
    assert board.read() == {}
    here = asker.ask()
    assert isinstance(here, Present)
    assert here.size == 1


def test_a_pull_that_brought_a_layer_is_tried_again_soon() -> None:
    runtime = FakeRuntime(local=set())
    asker = Asker(runtime)
    for delay in (10.0, 20.0):
        assert asker.settle() == Failed("manifest unknown", asker.now + delay)
        asker.now += delay
    runtime.breaks_after_a_layer.add(NAME)
    for _ in range(3):
        assert asker.settle() == Failed("unexpected EOF", asker.now + 10.0)
        asker.now += 10.0
