"""The informer against a scripted API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest

from cloudcore.errors import KubeError, KubeGone, KubeUnreachable
from cloudcore.kube.answers import error_of
from cloudcore.kube.backoff import Backoff
from cloudcore.kube.client import Listing, WatchEvent
from cloudcore.kube.informer import Informer
from cloudcore.kube.resources import NODES, PODS, Resource


def pod(name: str, version: int, uid: str = "u1") -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": name, "uid": uid, "resourceVersion": str(version), "managedFields": [1]}}


class Script:
    """Gives one list or watch after the other; an exception in their place is raised. At the end a watch stays silent."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.asked: list[str] = []

    async def list(self, resource: Resource) -> Listing:
        self.asked.append("list")
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        version, *items = step
        return Listing(list(items), str(version))

    async def watch(self, resource: Resource, version: str) -> AsyncGenerator[WatchEvent, None]:
        self.asked.append(f"watch {version}")
        if not self.steps:
            await asyncio.Event().wait()
        for step in self.steps.pop(0):
            if isinstance(step, Exception):
                raise step
            yield WatchEvent(*step)


class Following:
    """An informer at work over ``steps``, and what its follower heard."""

    def __init__(self, *steps: Any) -> None:
        self.script = Script(*steps)
        self.informer = Informer(self.script, PODS, backoff=Backoff(0.001, 0.002))
        self.heard: list[tuple[str, str]] = []
        self.informer.follow(self.hear)

    def hear(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        kind = "added" if old is None else "deleted" if new is None else "updated"
        obj = new or old or {}
        self.heard.append((kind, f"{obj['metadata']['name']}@{obj['metadata']['resourceVersion']}"))

    async def until(self, condition: Callable[[], bool]) -> None:
        task = asyncio.create_task(self.informer.run())
        try:
            async with asyncio.timeout(5):
                while not condition():
                    assert not task.done()
                    await asyncio.sleep(0.001)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_a_list_and_then_changes_are_told_in_order() -> None:
    async def scenario() -> None:
        following = Following(
            (5, pod("a", 3)),
            [
                ("ADDED", pod("b", 6)),
                ("MODIFIED", pod("a", 7)),
                ("BOOKMARK", {"metadata": {"resourceVersion": "90"}}),
                ("DELETED", pod("b", 95)),
            ],
        )
        assert not following.informer.synced.is_set()
        await following.until(lambda: following.script.asked[-1:] == ["watch 95"])
        assert following.heard == [("added", "a@3"), ("added", "b@6"), ("updated", "a@7"), ("deleted", "b@95")]
        assert following.informer.synced.is_set()
        kept = following.informer.get("default", "a")
        assert kept is not None and "managedFields" not in kept["metadata"]
        assert following.informer.get("default", "b") is None

    run(scenario())


def test_a_bookmark_moves_the_place_where_the_watch_goes_on() -> None:
    async def scenario() -> None:
        following = Following((5,), [("BOOKMARK", {"metadata": {"resourceVersion": "90"}})])
        await following.until(lambda: len(following.script.asked) == 3)
        assert following.script.asked == ["list", "watch 5", "watch 90"]

    run(scenario())


@pytest.mark.parametrize("error", [KubeGone("too old", code=410), KubeError("bad version", code=400)])
def test_after_a_compacted_version_it_lists_again_and_tells_what_went_meanwhile(error: Exception) -> None:
    async def scenario() -> None:
        following = Following((5, pod("a", 3), pod("b", 4), pod("c", 5)), [error], (50, pod("b", 4), pod("c", 40, uid="u2"), pod("d", 45)))
        await following.until(lambda: following.script.asked[-1:] == ["watch 50"])
        assert following.heard[3:] == [("deleted", "a@3"), ("deleted", "c@5"), ("added", "c@40"), ("added", "d@45")]

    run(scenario())


def test_an_api_that_is_away_loses_nothing_and_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        away = KubeUnreachable("connection refused")
        following = Following(away, away, (5, pod("a", 3)), [("MODIFIED", pod("a", 6)), away], [away], [("MODIFIED", pod("a", 7))])
        await following.until(lambda: following.heard[-1:] == [("updated", "a@7")])
        assert following.script.asked[:6] == ["list", "list", "list", "watch 5", "watch 6", "watch 6"]

    run(scenario())
    said = [record.getMessage() for record in caplog.records if "connection refused" in record.getMessage()]
    assert len(said) == 2, "once per outage"


def test_a_follower_that_fails_ends_nothing_and_nobody_else() -> None:
    async def scenario() -> None:
        following = Following((5, pod("a", 3)), [("MODIFIED", pod("a", 6))])
        also: list[Any] = []

        def broken(old: Any, new: Any) -> None:
            raise RuntimeError("bug")

        following.informer.follow(broken)
        following.informer.follow(lambda old, new: also.append(new))
        await following.until(lambda: len(also) == 2)

    run(scenario())


def test_a_late_follower_hears_of_what_is_there_already() -> None:
    async def scenario() -> None:
        following = Following((5, pod("a", 3)))
        await following.until(lambda: following.informer.synced.is_set())
        late: list[Any] = []
        following.informer.follow(lambda old, new: late.append((old, new)))
        assert [(old, new["metadata"]["name"]) for old, new in late] == [(None, "a")]

    run(scenario())


def test_a_version_that_was_seen_already_is_not_told_twice() -> None:
    async def scenario() -> None:
        following = Following((5, pod("a", 3)), [("ADDED", pod("a", 3)), ("MODIFIED", pod("a", 6))])
        await following.until(lambda: len(following.heard) == 2)
        assert following.heard == [("added", "a@3"), ("updated", "a@6")]

    run(scenario())


@pytest.mark.parametrize(
    ("code", "reason", "name"),
    [
        (404, "NotFound", "KubeNotFound"),
        (409, "AlreadyExists", "KubeAlreadyExists"),
        (409, "Conflict", "KubeConflict"),
        (410, "Expired", "KubeGone"),
        (403, "Forbidden", "KubeForbidden"),
        (422, "Invalid", "KubeInvalid"),
        (401, "Unauthorized", "KubeError"),
        (429, "TooManyRequests", "KubeError"),
        (500, "InternalError", "KubeError"),
    ],
)
def test_what_an_answer_means(code: int, reason: str, name: str) -> None:
    error = error_of(code, {"reason": reason, "message": "why"}, "GET /x")
    assert type(error).__name__ == name
    assert str(error) == f"GET /x: {code} why" and error.reason == reason


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ((PODS, "default", "web", "status"), "/api/v1/namespaces/default/pods/web/status"),
        ((PODS, None, "", ""), "/api/v1/pods"),
        ((NODES, None, "edge1", ""), "/api/v1/nodes/edge1"),
        ((NODES, "default", "edge1", ""), "/api/v1/nodes/edge1"),
        ((PODS, "default", "a/b?c", ""), "/api/v1/namespaces/default/pods/a%2Fb%3Fc"),
    ],
)
def test_where_an_object_is(args: tuple[Resource, str | None, str, str], path: str) -> None:
    resource, namespace, name, subresource = args
    assert resource.path(namespace, name, subresource) == path


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(KubeError):
        PODS.path("default", name)
