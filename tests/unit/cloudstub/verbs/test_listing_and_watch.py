"""Lists, pages, selectors and watches."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cloudstub.errors import BadRequest, Gone
from cloudstub.store.broadcast import Subscription
from cloudstub.verbs import selectors
from cloudstub.verbs.binding import bind
from cloudstub.verbs.expiry import expire_events
from cloudstub.verbs.listing import EVERYTHING, ListOptions, list_objects
from cloudstub.verbs.patch import MERGE_PATCH
from cloudstub.verbs.watch import TooManyWatches, WatchOptions, watch
from tests.unit.cloudstub.verbs.worlds import Scene, definition, play, pod


def labelled(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


def names(scene: Scene, resource: str, options: ListOptions = EVERYTHING, namespace: str | None = "default") -> list[str]:
    page = list_objects(scene.world, scene.target(resource, namespace=namespace), options)
    return [record.key.name for record in page.records]


async def events(subscription: Subscription) -> list[tuple[str, str]]:
    lines = (await subscription.take(timeout=0.01)).splitlines()
    return [(event["type"], event["object"]["metadata"]["name"]) for event in map(json.loads, lines)]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("", "abc"),
        ("app=web", "ab"),
        ("app==web,tier=front", "a"),
        ("tier!=front", "bc"),
        ("tier", "ab"),
        ("!tier", "c"),
        ("tier in (front, back)", "ab"),
        ("tier notin (front)", "bc"),
        (" app = web , tier in (back)", "b"),
        ("app=", ""),
    ],
)
def test_a_label_selector_chooses(tmp_path: Path, selector: str, found: str) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("configmaps", labelled("a", app="web", tier="front"))
        await scene.create("configmaps", labelled("b", app="web", tier="back"))
        await scene.create("configmaps", labelled("c"))
        assert "".join(names(scene, "configmaps", ListOptions(selector))) == found

    play(tmp_path, act)


@pytest.mark.parametrize(
    "text", ["=", "a=b=c", "a in", "a in b", "a,,b", "a b", "a=b c", "(", "!", "a!", "a/b/c=d", "x" * 70_000, "a=" + "x" * 64]
)
def test_a_label_selector_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        selectors.parse_labels(text)


def test_a_field_selector_chooses_by_the_fields_of_the_kind(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        for name in ("a", "b", "c"):
            await scene.create("pods", pod(name))
        bind(scene.world, scene.target("pods", "b"), {"target": {"name": "n1"}})
        await scene.world.store.committed()
        await scene.patch("pods", "c", {"status": {"phase": "Failed"}}, MERGE_PATCH, "status")
        for selector, found in {
            "spec.nodeName=n1": "b",
            "spec.nodeName=": "ac",
            "status.phase!=Failed": "ab",
            "metadata.name=c": "c",
            "metadata.name=a,status.phase=Failed": "",
            "metadata.namespace=default": "abc",
        }.items():
            assert "".join(names(scene, "pods", ListOptions(field_selector=selector))) == found, selector
        for wrong in ("spec.color=red", "nonsense", "=", "status.phase"):
            with pytest.raises(BadRequest):
                names(scene, "pods", ListOptions(field_selector=wrong))

    play(tmp_path, act)


def test_pages_show_one_moment_whatever_happens_in_between(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        for i in range(5):
            await scene.create("configmaps", labelled(f"c{i}"))
        target = scene.target("configmaps")
        first = list_objects(scene.world, target, ListOptions(limit=2))
        assert [r.key.name for r in first.records] == ["c0", "c1"] and first.remaining == 3
        await scene.delete("configmaps", "c2")
        await scene.create("configmaps", labelled("c1x"))
        second = list_objects(scene.world, target, ListOptions(limit=2, continue_token=first.continue_token))
        assert [r.key.name for r in second.records] == ["c2", "c3"] and second.revision == first.revision
        third = list_objects(scene.world, target, ListOptions(limit=2, continue_token=second.continue_token))
        assert [r.key.name for r in third.records] == ["c4"] and not third.continue_token
        scene.world.store.compact(keep_newest=0, max_age_ms=0)
        with pytest.raises(Gone, match="list again"):
            list_objects(scene.world, target, ListOptions(limit=2, continue_token=first.continue_token))

    play(tmp_path, act)


@pytest.mark.parametrize("token", ["x", "bm9uZQ==", "WzEsMiwzXQ==", "é", "e30="])
def test_a_token_that_no_list_gave_is_refused(tmp_path: Path, token: str) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(BadRequest, match="continue"):
            names(scene, "configmaps", ListOptions(continue_token=token))

    play(tmp_path, act)


def test_a_list_over_all_namespaces_is_in_order_and_one_of_a_namespace_is_its_own(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("namespaces", {"metadata": {"name": "a"}})
        await scene.create("configmaps", labelled("z"), namespace="a")
        await scene.create("configmaps", labelled("b"))
        assert names(scene, "configmaps", namespace=None) == ["z", "b"]
        assert names(scene, "configmaps", namespace="a") == ["z"]

    play(tmp_path, act)


def test_a_watcher_hears_of_its_namespace_only(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("namespaces", {"metadata": {"name": "x"}})
        here = watch(scene.world, scene.target("configmaps"))
        everywhere = watch(scene.world, scene.target("configmaps", namespace=None))
        await scene.create("configmaps", labelled("a"), namespace="x")
        assert await events(here) == []
        assert await events(everywhere) == [("ADDED", "a")]

    play(tmp_path, act)


def test_an_object_is_added_when_it_starts_to_match_and_deleted_when_it_stops(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("configmaps", labelled("a"))
        watched = watch(scene.world, scene.target("configmaps"), WatchOptions("on=yes"))
        for on in ("no", "yes", "yes", "no"):
            await scene.patch("configmaps", "a", {"metadata": {"labels": {"on": on}}, "data": {"x": on + "!"}}, MERGE_PATCH)
        await scene.patch("configmaps", "a", {"metadata": {"labels": {"on": "yes"}}}, MERGE_PATCH)
        await scene.patch("configmaps", "a", {"data": {"x": "?"}}, MERGE_PATCH)
        await scene.delete("configmaps", "a")
        types = [type_ for type_, _ in await events(watched)]
        assert types == ["ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED"]

    play(tmp_path, act)


def test_a_watch_from_a_revision_goes_on_where_the_list_ended(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("configmaps", labelled("a"))
        page = list_objects(scene.world, scene.target("configmaps"))
        await scene.create("configmaps", labelled("b"))
        watched = watch(scene.world, scene.target("configmaps"), WatchOptions(after=page.revision))
        await scene.delete("configmaps", "a")
        assert await events(watched) == [("ADDED", "b"), ("DELETED", "a")]
        scene.world.store.compact(keep_newest=0, max_age_ms=0)
        with pytest.raises(Gone):
            watch(scene.world, scene.target("configmaps"), WatchOptions(after=page.revision))

    play(tmp_path, act)


def test_the_last_event_of_an_object_carries_the_revision_of_its_deletion(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("configmaps", labelled("a"))
        live = watch(scene.world, scene.target("configmaps"), WatchOptions(after=scene.world.store.revision))
        await scene.delete("configmaps", "a")
        revision = scene.world.store.revision
        late = watch(scene.world, scene.target("configmaps"), WatchOptions(after=revision - 1))
        told = [await subscription.take(timeout=0.01) for subscription in (live, late)]
        assert told[0] == told[1]
        assert json.loads(told[0])["object"]["metadata"]["resourceVersion"] == str(revision)

    play(tmp_path, act)


def test_an_event_is_encoded_once_for_all_who_watch_the_same_way(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        rendered = 0

        def render(record: Any) -> bytes:
            nonlocal rendered
            rendered += 1
            return bytes(record.body)

        many = [watch(scene.world, scene.target("configmaps"), WatchOptions(shape="s"), render) for _ in range(200)]
        await scene.create("configmaps", labelled("a"))
        assert [await events(one) for one in many] == [[("ADDED", "a")]] * 200
        assert rendered == 1

    play(tmp_path, act)


def test_watchers_of_another_version_read_that_version(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("customresourcedefinitions.apiextensions.k8s.io", definition(versions=("v1", "v2")))
        watched = {v: watch(scene.world, scene.target("widgets.example.com", version=v)) for v in ("v1", "v2")}
        await scene.create("widgets.example.com", {"metadata": {"name": "w"}, "spec": {"size": 1}})
        for version, subscription in watched.items():
            event = json.loads(await subscription.take(timeout=0.01))
            assert event["object"]["apiVersion"] == f"example.com/{version}"

    play(tmp_path, act)


def test_a_watch_ends_with_its_custom_kind(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("customresourcedefinitions.apiextensions.k8s.io", definition())
        watched = watch(scene.world, scene.target("widgets.example.com"))
        await scene.delete("customresourcedefinitions.apiextensions.k8s.io", "widgets.example.com")
        assert watched.ended

    play(tmp_path, act)


def test_there_is_a_most_of_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudstub.verbs.watch.MOST_WATCHES", 2)

    async def act(scene: Scene) -> None:
        held = [watch(scene.world, scene.target("configmaps")) for _ in range(2)]
        with pytest.raises(TooManyWatches):
            watch(scene.world, scene.target("configmaps"))
        scene.world.store.broadcast.discard(held[0])
        watch(scene.world, scene.target("configmaps"))

    play(tmp_path, act)


def test_events_go_after_an_hour(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        for name, minutes in (("old", 61), ("new", 59)):
            seen = (scene.clock.now - timedelta(minutes=minutes)).isoformat()
            event = {"metadata": {"name": name}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}}
            await scene.create("events", {**event, "lastTimestamp": seen})
        assert expire_events(scene.world) == 1
        await scene.world.store.committed()
        assert names(scene, "events") == ["new"]

    play(tmp_path, act)
