"""PUT and PATCH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloudstub.errors import ApiError, BadRequest, Conflict, Invalid, NotFound, UnsupportedMediaType
from cloudstub.verbs import scale
from cloudstub.verbs.binding import bind
from cloudstub.verbs.patch import APPLY, JSON_PATCH, MERGE_PATCH, STRATEGIC
from tests.unit.cloudstub.verbs.worlds import Scene, definition, deployment, play, pod

CRD = "customresourcedefinitions.apiextensions.k8s.io"


def configmap(**data: str) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "data": data}


def test_an_update_with_the_current_version_is_taken_and_with_an_older_one_is_a_conflict(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        first = await scene.create("configmaps", configmap(k="1"))
        second = await scene.update("configmaps", "a", {**first, "data": {"k": "2"}})
        assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
        with pytest.raises(Conflict, match="the object has been modified"):
            await scene.update("configmaps", "a", {**first, "data": {"k": "3"}})
        assert (scene.get("configmaps", "a") or {})["data"] == {"k": "2"}

    play(tmp_path, act)


def test_an_update_for_another_uid_is_a_conflict(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("configmaps", configmap(k="1"))
        with pytest.raises(Conflict, match="UID in precondition"):
            await scene.update("configmaps", "a", {"metadata": {"name": "a", "uid": "other"}})

    play(tmp_path, act)


def test_an_update_that_changes_nothing_makes_no_version(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        first = await scene.create("configmaps", configmap(k="1"))
        revision = scene.world.store.revision
        again = await scene.update("configmaps", "a", configmap(k="1"))
        assert again == first and scene.world.store.revision == revision

    play(tmp_path, act)


def test_identity_is_the_servers(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        first = await scene.create("configmaps", configmap(k="1"))
        claims = {"name": "a", "creationTimestamp": "1999-01-01T00:00:00Z", "deletionTimestamp": "1999-01-01T00:00:00Z"}
        after = await scene.update("configmaps", "a", {"metadata": claims, "data": {"k": "2"}})
        assert after["metadata"]["uid"] == first["metadata"]["uid"]
        assert after["metadata"]["creationTimestamp"] == first["metadata"]["creationTimestamp"]
        assert "deletionTimestamp" not in after["metadata"]

    play(tmp_path, act)


def test_the_generation_counts_changes_of_the_spec_only(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("deployments.apps", deployment())
        labelled = await scene.patch("deployments.apps", "web", {"metadata": {"labels": {"a": "b"}}}, MERGE_PATCH)
        assert labelled["metadata"]["generation"] == made["metadata"]["generation"] == 1
        scaled = await scene.patch("deployments.apps", "web", {"spec": {"replicas": 5}}, MERGE_PATCH)
        assert scaled["metadata"]["generation"] == 2
        told = await scene.patch("deployments.apps", "web", {"status": {"replicas": 5}}, MERGE_PATCH, "status")
        assert told["metadata"]["generation"] == 2 and told["status"] == {"replicas": 5}

    play(tmp_path, act)


def test_spec_and_status_are_written_through_their_own_doors(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("pods", pod())
        after = await scene.update("pods", "web", {**made, "status": {"phase": "Failed"}})
        assert after["status"]["phase"] == "Pending"
        other = {**after["spec"], "nodeName": "n9"}
        after = await scene.update_status("pods", "web", {**after, "spec": other, "status": {"phase": "Running"}})
        assert after["status"] == {"phase": "Running"} and "nodeName" not in after["spec"]

    play(tmp_path, act)


def test_a_status_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("pods", pod())
        junk: list[Any] = ["x", [], {"conditions": "x"}, {"containerStatuses": [5]}]
        for status in junk:
            with pytest.raises(Invalid, match="status"):
                await scene.update_status("pods", "web", {"metadata": {"name": "web"}, "status": status})

    play(tmp_path, act)


def test_a_pod_keeps_its_spec_but_for_images(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("pods", pod())
        image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "app:2"}]
        assert (await scene.patch("pods", "web", image, JSON_PATCH))["spec"]["containers"][0]["image"] == "app:2"
        with pytest.raises(Invalid, match="pod updates may not change fields other than"):
            await scene.patch("pods", "web", {"spec": {"hostNetwork": True}}, STRATEGIC)

    play(tmp_path, act)


def test_an_immutable_configmap_stays_as_it_is(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("configmaps", {**configmap(k="1"), "immutable": True})
        with pytest.raises(Invalid, match="data: Forbidden: field is immutable"):
            await scene.patch("configmaps", "a", {"data": {"k": "2"}}, MERGE_PATCH)
        with pytest.raises(Invalid, match="immutable: Forbidden"):
            await scene.patch("configmaps", "a", {"immutable": None}, MERGE_PATCH)
        await scene.patch("configmaps", "a", {"metadata": {"labels": {"a": "b"}}}, MERGE_PATCH)

    play(tmp_path, act)


def test_a_service_keeps_its_node_port_and_gives_it_back_when_it_is_open_to_nodes_no_more(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        spec = {"type": "NodePort", "ports": [{"port": 80}]}
        made = await scene.create("services", {"metadata": {"name": "s"}, "spec": spec})
        port = made["spec"]["ports"][0]["nodePort"]
        after = await scene.update("services", "s", {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}})
        assert after["spec"]["ports"][0]["nodePort"] == port
        closed = {"metadata": {"name": "s"}, "spec": {**after["spec"], "type": "ClusterIP"}}
        assert "nodePort" not in (await scene.update("services", "s", closed))["spec"]["ports"][0]
        again = await scene.create("services", {"metadata": {"name": "t"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}})
        assert again["spec"]["ports"][0]["nodePort"] == port

    play(tmp_path, act)


def test_a_service_keeps_its_address(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
        after = await scene.update("services", "s", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 81}]}})
        assert after["spec"]["clusterIP"] == made["spec"]["clusterIP"] and after["spec"]["ports"][0]["port"] == 81

    play(tmp_path, act)


def test_each_kind_of_patch_does_its_own(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("deployments.apps", deployment())
        extra = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}}}}
        merged = await scene.patch("deployments.apps", "web", extra, STRATEGIC)
        names = [c["name"] for c in merged["spec"]["template"]["spec"]["containers"]]
        assert sorted(names) == ["c", "side"]
        replaced = await scene.patch("deployments.apps", "web", extra, MERGE_PATCH)
        assert [c["name"] for c in replaced["spec"]["template"]["spec"]["containers"]] == ["side"]

    play(tmp_path, act)


@pytest.mark.parametrize(
    ("sent", "media_type", "error", "words"),
    [
        ([{"op": "test", "path": "/data/k", "value": "9"}], JSON_PATCH, Invalid, "."),
        ([{"op": "remove", "path": "/nowhere"}], JSON_PATCH, Invalid, "."),
        ({"op": "remove"}, JSON_PATCH, BadRequest, "patch"),
        ([], MERGE_PATCH, BadRequest, "patch"),
        ({"metadata": {"resourceVersion": "1"}, "data": {}}, MERGE_PATCH, Conflict, "modified"),
        ({"metadata": {"name": "b"}}, MERGE_PATCH, BadRequest, "does not match the name"),
        ({"kind": "Secret"}, MERGE_PATCH, BadRequest, "kind"),
        ("x", STRATEGIC, BadRequest, "patch"),
        ({"data": 5}, MERGE_PATCH, Invalid, "data"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(tmp_path: Path, sent: Any, media_type: str, error: type[ApiError], words: str) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("configmaps", configmap(k="1"))
        with pytest.raises(error, match=words):
            await scene.patch("configmaps", "a", sent, media_type)
        assert scene.get("configmaps", "a") == made

    play(tmp_path, act)


def test_a_patch_of_what_is_not_there_is_not_found_but_an_apply_creates_it(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(NotFound):
            await scene.patch("configmaps", "a", {}, MERGE_PATCH)
        made = await scene.patch("configmaps", "a", configmap(k="1"), APPLY)
        assert made["data"] == {"k": "1"}
        assert (await scene.patch("configmaps", "a", configmap(j="2"), APPLY))["data"] == {"k": "1", "j": "2"}

    play(tmp_path, act)


def test_custom_objects_take_no_strategic_patch_and_need_a_version_for_an_update(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create(CRD, definition())
        await scene.create("widgets.example.com", {"metadata": {"name": "w"}, "spec": {"size": 1}})
        with pytest.raises(UnsupportedMediaType):
            await scene.patch("widgets.example.com", "w", {"spec": {"size": 2}}, STRATEGIC)
        with pytest.raises(Invalid, match=r"metadata.resourceVersion"):
            await scene.update("widgets.example.com", "w", {"metadata": {"name": "w"}, "spec": {"size": 2}})
        after = await scene.patch("widgets.example.com", "w", {"spec": {"size": 2}, "status": {"x": 1}}, MERGE_PATCH)
        assert after["spec"]["size"] == 2 and "status" not in after and after["metadata"]["generation"] == 2
        told = await scene.patch("widgets.example.com", "w", {"spec": {"size": 9}, "status": {"x": 1}}, MERGE_PATCH, "status")
        assert told["spec"]["size"] == 2 and told["status"] == {"x": 1} and told["metadata"]["generation"] == 2
        with pytest.raises(Invalid, match="must be of type integer"):
            await scene.patch("widgets.example.com", "w", {"spec": {"size": "x"}}, MERGE_PATCH)

    play(tmp_path, act)


def test_a_changed_definition_serves_its_other_version_and_keeps_what_was_stored(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create(CRD, definition())
        await scene.create("widgets.example.com", {"metadata": {"name": "w"}, "spec": {"size": 1}})
        wider = definition(versions=("v1", "v2"))
        await scene.patch(CRD, "widgets.example.com", {"spec": wider["spec"]}, MERGE_PATCH)
        assert scene.world.catalog.find("example.com", "v2", "widgets") is not None
        narrower = definition(versions=("v2",))
        with pytest.raises(Invalid, match=r"must appear in spec.versions"):
            await scene.patch(CRD, "widgets.example.com", {"spec": narrower["spec"]}, MERGE_PATCH)

    play(tmp_path, act)


def test_the_scale_is_the_number_of_replicas(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("deployments.apps", deployment(replicas=2))
        target = scene.target("deployments.apps", "web")
        shown = scale.read(scene.world, target)
        assert shown["spec"] == {"replicas": 2} and shown["status"]["selector"] == "app=web"
        scale.write(scene.world, target, {**shown, "spec": {"replicas": 0}})
        await scene.world.store.committed()
        assert (scene.get("deployments.apps", "web") or {})["spec"]["replicas"] == 0
        with pytest.raises(Conflict):
            scale.write(scene.world, target, {**shown, "spec": {"replicas": 4}})
        with pytest.raises(Invalid, match=r"spec.replicas"):
            scale.write(scene.world, target, {"spec": {"replicas": -1}})
        with pytest.raises(BadRequest):
            scale.write(scene.world, target, [])

    play(tmp_path, act)


def test_a_pod_is_bound_once(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("pods", pod())
        target = scene.target("pods", "web")
        for wrong in (None, {}, {"target": "n"}, {"target": {"name": ""}}):
            with pytest.raises(BadRequest, match=r"target.name"):
                bind(scene.world, target, wrong)
        with pytest.raises(Conflict, match="UID"):
            bind(scene.world, target, {"metadata": {"uid": "other"}, "target": {"name": "n1"}})
        bind(scene.world, target, {"target": {"name": "n1"}})
        with pytest.raises(Conflict, match="already assigned to node"):
            bind(scene.world, target, {"target": {"name": "n2"}})
        await scene.world.store.committed()
        bound = scene.get("pods", "web") or {}
        assert bound["spec"]["nodeName"] == "n1"
        assert bound["status"]["conditions"][0]["type"] == "PodScheduled"

    play(tmp_path, act)
