"""DELETE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloudstub.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from cloudstub.verbs.binding import bind
from cloudstub.verbs.delete import DeleteOptions, parse_options
from cloudstub.verbs.patch import MERGE_PATCH
from cloudstub.verbs.update import finalize
from tests.unit.cloudstub.verbs.worlds import Scene, definition, play, pod

CRD = "customresourcedefinitions.apiextensions.k8s.io"


async def bound_pod(scene: Scene, **spec: Any) -> dict[str, Any]:
    made = await scene.create("pods", pod(**spec))
    bind(scene.world, scene.target("pods", "web"), {"target": {"name": "n1"}})
    await scene.world.store.committed()
    return made


def test_what_nothing_holds_goes_at_once(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("configmaps", {"metadata": {"name": "a"}})
        assert (await scene.delete("configmaps", "a")).is_gone
        assert scene.get("configmaps", "a") is None
        with pytest.raises(NotFound, match='configmaps "a" not found'):
            await scene.delete("configmaps", "a")

    play(tmp_path, act)


def test_a_pod_without_a_node_goes_at_once(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("pods", pod())
        assert (await scene.delete("pods", "web")).is_gone

    play(tmp_path, act)


def test_a_bound_pod_waits_for_the_final_delete_of_its_node(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await bound_pod(scene)
        assert not (await scene.delete("pods", "web")).is_gone
        waiting = scene.get("pods", "web") or {}
        assert waiting["metadata"]["deletionTimestamp"] == "2026-01-01T12:00:30Z"
        assert waiting["metadata"]["deletionGracePeriodSeconds"] == 30
        scene.clock.pass_time(hours=5)
        assert not (await scene.delete("pods", "web")).is_gone
        assert (await scene.delete("pods", "web", DeleteOptions(grace_seconds=0))).is_gone

    play(tmp_path, act)


def test_a_second_delete_may_shorten_the_grace_and_never_lengthen_it(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await bound_pod(scene, terminationGracePeriodSeconds=60)
        for asked, left in ((None, 60), (10, 10), (50, 10)):
            await scene.delete("pods", "web", DeleteOptions(grace_seconds=asked))
            assert (scene.get("pods", "web") or {})["metadata"]["deletionGracePeriodSeconds"] == left

    play(tmp_path, act)


def test_a_pod_that_has_ended_needs_no_node_to_go(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await bound_pod(scene)
        await scene.patch("pods", "web", {"status": {"phase": "Succeeded"}}, MERGE_PATCH, "status")
        assert (await scene.delete("pods", "web")).is_gone

    play(tmp_path, act)


def test_an_object_with_a_finalizer_goes_when_the_last_one_is_taken(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("configmaps", {"metadata": {"name": "a", "finalizers": ["x.io/a"]}})
        assert not (await scene.delete("configmaps", "a")).is_gone
        with pytest.raises(Invalid, match="no new finalizers can be added"):
            await scene.patch("configmaps", "a", {"metadata": {"finalizers": ["x.io/a", "x.io/b"]}}, MERGE_PATCH)
        await scene.patch("configmaps", "a", {"metadata": {"finalizers": None}}, MERGE_PATCH)
        assert scene.get("configmaps", "a") is None

    play(tmp_path, act)


@pytest.mark.parametrize(("policy", "finalizers"), [("Orphan", ["orphan"]), ("Foreground", ["foregroundDeletion"]), ("Background", None)])
def test_the_propagation_policy_is_left_to_the_collector_as_a_finalizer(tmp_path: Path, policy: str, finalizers: list[str] | None) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("configmaps", {"metadata": {"name": "a"}})
        await scene.delete("configmaps", "a", DeleteOptions(propagation=policy))
        left = scene.get("configmaps", "a")
        assert (left["metadata"]["finalizers"] if left else None) == finalizers

    play(tmp_path, act)


@pytest.mark.parametrize("options", [DeleteOptions(uid="other"), DeleteOptions(resource_version="999")])
def test_a_precondition_that_does_not_hold_is_a_conflict(tmp_path: Path, options: DeleteOptions) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("configmaps", {"metadata": {"name": "a"}})
        with pytest.raises(Conflict, match="Precondition failed"):
            await scene.delete("configmaps", "a", options)
        assert (await scene.delete("configmaps", "a", DeleteOptions(uid=made["metadata"]["uid"]))).is_gone

    play(tmp_path, act)


def test_a_dry_run_deletes_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("configmaps", {"metadata": {"name": "a"}})
        await scene.delete("configmaps", "a", DeleteOptions(dry_run=True))
        assert scene.get("configmaps", "a") == made

    play(tmp_path, act)


def test_a_namespace_ends_when_its_finalizer_is_taken(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("namespaces", {"metadata": {"name": "x"}})
        assert not (await scene.delete("namespaces", "x")).is_gone
        ending = scene.get("namespaces", "x") or {}
        assert ending["status"]["phase"] == "Terminating"
        finalize(scene.world, scene.target("namespaces", "x"), {**ending, "spec": {"finalizers": []}})
        await scene.world.store.committed()
        assert scene.get("namespaces", "x") is None

    play(tmp_path, act)


def test_the_namespaces_that_always_are_may_not_be_deleted(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(Forbidden, match="this namespace may not be deleted"):
            await scene.delete("namespaces", "default")

    play(tmp_path, act)


def test_a_definition_takes_its_objects_along(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create(CRD, definition())
        for name in ("a", "b"):
            await scene.create("widgets.example.com", {"metadata": {"name": name}, "spec": {"size": 1}})
        assert (await scene.delete(CRD, "widgets.example.com")).is_gone
        assert scene.world.store.count("widgets.example.com") == 0
        assert scene.world.catalog.find("example.com", "v1", "widgets") is None

    play(tmp_path, act)


def test_a_definition_waits_for_an_object_that_is_held(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create(CRD, definition())
        await scene.create("widgets.example.com", {"metadata": {"name": "a", "finalizers": ["x.io/a"]}, "spec": {"size": 1}})
        await scene.create("widgets.example.com", {"metadata": {"name": "b"}, "spec": {"size": 1}})
        assert not (await scene.delete(CRD, "widgets.example.com")).is_gone
        assert scene.world.store.count("widgets.example.com") == 1
        await scene.patch("widgets.example.com", "a", {"metadata": {"finalizers": []}}, MERGE_PATCH)
        assert scene.get(CRD, "widgets.example.com") is None

    play(tmp_path, act)


@pytest.mark.parametrize(
    ("body", "query", "words"),
    [
        ([], {}, "DeleteOptions"),
        ({"gracePeriodSeconds": "soon"}, {}, "gracePeriodSeconds"),
        ({"gracePeriodSeconds": -1}, {}, "gracePeriodSeconds"),
        ({"gracePeriodSeconds": True}, {}, "gracePeriodSeconds"),
        ({"gracePeriodSeconds": 2**40}, {}, "gracePeriodSeconds"),
        ({"preconditions": "x"}, {}, "preconditions"),
        ({"propagationPolicy": "Sideways"}, {}, "propagationPolicy"),
        (None, {"gracePeriodSeconds": "x"}, "gracePeriodSeconds"),
        ({"propagationPolicy": ["Orphan"]}, {}, "propagationPolicy"),
    ],
)
def test_wrong_options_are_refused_by_their_name(body: Any, query: dict[str, str], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse_options(body, query)
