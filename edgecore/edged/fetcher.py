"""The images of one pod: asks for them, tells in events how that goes, and says why a container waits. Never waits itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from edgecore.containers.images import policy_for
from edgecore.containers.progress import Fetched, size_text
from edgecore.containers.pulls import Failed, Present, Pulling
from edgecore.edged.pod import PodPlan
from edgecore.edged.ports import Workshop
from edgecore.edged.reconcile import Make
from edgecore.edged.status import Waiting

FIRST_WORD = 60.0
"""Seconds after which a pull is told again."""

_PULL_REASONS = ("ErrImagePull", "ImagePullBackOff")


@dataclass(frozen=True, slots=True)
class Held:
    """The image is not here yet. ``retry_at``: when to ask again (monotonic), None: when woken."""

    waiting: Waiting
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Pull:
    """Monotonic seconds: since when an image is fetched, when that is told again, and how long the pause before that was."""

    began: float
    due: float
    pause: float = FIRST_WORD


class ImageFetcher:
    """``wake`` is called at news."""

    def __init__(self, shop: Workshop, wake: Callable[[], None]) -> None:
        self._shop = shop
        self._wake = wake
        self._pulling: dict[str, _Pull] = {}

    @property
    def look_at(self) -> list[float]:
        """When a pull that takes long is to be told again (monotonic)."""
        now = time.monotonic()
        return [pull.due for pull in self._pulling.values() if pull.due > now]

    def want(self, plan: PodPlan, make: Make, credentials: str, before: Waiting) -> Present | Held:
        """``before``: why the container has waited so far.

        Raises:
            EngineError: the engine cannot say whether the image is here.
        """
        name, wanted = make.wanted.name, make.wanted
        policy = policy_for(wanted.image, wanted.pull_policy if make.instead_of is None else "IfNotPresent")
        answer = self._shop.pulls.want(wanted.image, policy, credentials=credentials, asker=plan.uid, wake=self._wake)
        say = partial(self._shop.events.about_pod, plan, container=name)
        pull = self._pulling.pop(name, None)
        if isinstance(answer, Present):
            say("Pulled", _pulled(wanted.image, answer, pull))
            return answer
        if isinstance(answer, Pulling):
            self._pulling[name] = _told(pull, answer.fetched, wanted.image, partial(say, "Pulling"))
            return Held(before)
        failure = _failure(answer, before, wanted.image)
        if failure.reason == "ErrImagePull":
            say("Failed", f'Failed to pull image "{wanted.image}": {answer.error}', warning=True)
        elif failure.reason == "ImagePullBackOff":
            say("BackOff", f'Back-off pulling image "{wanted.image}"')
        say("Failed", f"Error: {failure.reason}", warning=True)
        return Held(failure, answer.retry_at)


def _pulled(image: str, answer: Present, pull: _Pull | None) -> str:
    if pull is None:
        return f'Container image "{image}" already present on machine'
    size = f" Image size: {answer.size} bytes." if answer.size else ""
    return f'Successfully pulled image "{image}" in {time.monotonic() - pull.began:.1f}s.{size}'


def _told(pull: _Pull | None, fetched: Fetched, image: str, say: Callable[[str], None]) -> _Pull:
    """A pull that takes long is told again, after a minute, after two more, after four: the link is spared (C7)."""
    now = time.monotonic()
    if pull is None:
        say(f'Pulling image "{image}"')
        return _Pull(now, now + FIRST_WORD)
    if now < pull.due:
        return pull
    if not fetched.total:
        return replace(pull, due=now + pull.pause)
    percent = fetched.current * 100 // fetched.total
    say(f'Pulling image "{image}": {percent} % of {size_text(fetched.total)} after {now - pull.began:.0f}s')
    return replace(pull, due=now + pull.pause * 2, pause=pull.pause * 2)


def _failure(failed: Failed, before: Waiting, image: str) -> Waiting:
    if failed.never:
        return Waiting("ErrImageNeverPull", failed.error)
    if before.reason in _PULL_REASONS:
        return Waiting("ImagePullBackOff", f'Back-off pulling image "{image}": {failed.error}')
    return Waiting("ErrImagePull", failed.error)
