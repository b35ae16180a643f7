"""POST."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from cloudstub.errors import AlreadyExists, ApiError, BadRequest, Conflict, Forbidden, Invalid, NotFound
from cloudstub.verbs.world import WriteOptions
from tests.unit.cloudstub.verbs.worlds import Scene, definition, deployment, play, pod


def test_a_pod_gets_identity_defaults_and_a_first_status(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("pods", {**pod(), "status": {"phase": "Running"}})
        assert made["metadata"]["uid"] and made["metadata"]["creationTimestamp"] == "2026-01-01T12:00:00Z"
        assert made["metadata"]["namespace"] == "default"
        assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        spec = made["spec"]
        assert (spec["restartPolicy"], spec["dnsPolicy"], spec["terminationGracePeriodSeconds"]) == ("Always", "ClusterFirst", 30)
        assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"

    play(tmp_path, act)


def test_a_deployment_gets_generation_strategy_and_one_replica(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        wanted = deployment()
        del wanted["spec"]["replicas"]
        made = await scene.create("deployments.apps", wanted)
        assert made["metadata"]["generation"] == 1
        spec = made["spec"]
        assert spec["replicas"] == 1 and spec["revisionHistoryLimit"] == 10 and spec["progressDeadlineSeconds"] == 600
        rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
        assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}

    play(tmp_path, act)


def test_a_null_counts_as_left_out(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("pods", pod(restartPolicy=None, nodeSelector=None))
        assert made["spec"]["restartPolicy"] == "Always" and "nodeSelector" not in made["spec"]

    play(tmp_path, act)


def test_a_generated_name_is_the_base_and_five_letters(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = [await scene.create("pods", {**pod(), "metadata": {"generateName": "web-"}}) for _ in range(3)]
        names = {one["metadata"]["name"] for one in made}
        assert len(names) == 3 and all(name.startswith("web-") and len(name) == 9 for name in names)
        long = await scene.create("pods", {**pod(), "metadata": {"generateName": "a" * 80}})
        assert len(long["metadata"]["name"]) == 63

    play(tmp_path, act)


def test_an_object_is_created_once(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("pods", pod())
        with pytest.raises(AlreadyExists, match='pods "web" already exists'):
            await scene.create("pods", pod())

    play(tmp_path, act)


def test_a_missing_namespace_is_not_found_and_one_that_ends_takes_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
            await scene.create("configmaps", {"metadata": {"name": "a"}}, namespace="nowhere")
        await scene.create("namespaces", {"metadata": {"name": "ending"}})
        await scene.delete("namespaces", "ending")
        with pytest.raises(Forbidden, match="because it is being terminated"):
            await scene.create("configmaps", {"metadata": {"name": "a"}}, namespace="ending")

    play(tmp_path, act)


def test_a_dry_run_shows_the_object_and_keeps_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("pods", pod(), WriteOptions(dry_run=True))
        assert made["spec"]["restartPolicy"] == "Always"
        assert scene.get("pods", "web") is None

    play(tmp_path, act)


def test_plain_text_of_a_secret_is_stored_as_base64(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("secrets", {"metadata": {"name": "s"}, "stringData": {"a": "grün"}})
        assert base64.b64decode(made["data"]["a"]).decode() == "grün"
        assert made["type"] == "Opaque" and "stringData" not in made

    play(tmp_path, act)


def test_services_get_addresses_that_nobody_else_has(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        spec: dict[str, Any] = {"ports": [{"port": 80}]}
        made = [await scene.create("services", {"metadata": {"name": f"s{i}"}, "spec": dict(spec)}) for i in range(3)]
        addresses = {one["spec"]["clusterIP"] for one in made}
        assert len(addresses) == 3 and all(address.startswith("10.96.") for address in addresses)
        with pytest.raises(Invalid, match="already allocated"):
            await scene.create("services", {"metadata": {"name": "x"}, "spec": {**spec, "clusterIP": addresses.pop()}})
        with pytest.raises(Invalid, match="not in the valid range"):
            await scene.create("services", {"metadata": {"name": "x"}, "spec": {**spec, "clusterIP": "1.2.3.4"}})
        headless = await scene.create("services", {"metadata": {"name": "h"}, "spec": {"clusterIP": "None"}})
        assert headless["spec"]["clusterIP"] == "None"

    play(tmp_path, act)


def test_services_that_are_open_to_nodes_get_ports_that_nobody_else_has(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        spec: dict[str, Any] = {"type": "NodePort", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}
        made = [await scene.create("services", {"metadata": {"name": f"s{i}"}, "spec": dict(spec)}) for i in range(2)]
        ports = [port["nodePort"] for one in made for port in one["spec"]["ports"]]
        assert len(set(ports)) == 4 and all(30000 <= port <= 32767 for port in ports)
        for number, words in ((ports[0], "already allocated"), (80, "not in the valid range")):
            with pytest.raises(Invalid, match=words):
                taken = {"type": "NodePort", "ports": [{"port": 80, "nodePort": number}]}
                await scene.create("services", {"metadata": {"name": "x"}, "spec": taken})

    play(tmp_path, act)


@pytest.mark.parametrize(
    ("sent", "error", "words"),
    [
        ([], BadRequest, "must be a JSON object"),
        ("x", BadRequest, "must be a JSON object"),
        ({"metadata": "x"}, BadRequest, "metadata: must be an object"),
        ({"metadata": {"name": 5}}, BadRequest, "metadata.name: must be a string"),
        ({}, Invalid, "metadata.name: Required value"),
        ({"metadata": {"name": "a", "namespace": "other"}}, BadRequest, "does not match the namespace"),
        ({"apiVersion": "v2", "metadata": {"name": "a"}}, BadRequest, "apiVersion in the data"),
        ({"kind": "Secret", "metadata": {"name": "a"}}, BadRequest, "kind in the data"),
        ({"metadata": {"name": "Not_Ok"}}, Invalid, "metadata.name: Invalid value"),
        ({"metadata": {"name": "a", "resourceVersion": "5"}}, BadRequest, "resourceVersion should not be set"),
        ({"metadata": {"name": "a", "labels": {"x": 5}}}, Invalid, "metadata.labels.x"),
        ({"metadata": {"name": "a", "labels": {"a b": "x"}}}, Invalid, "metadata.labels"),
        ({"metadata": {"name": "a", "finalizers": "x"}}, Invalid, "metadata.finalizers"),
        ({"metadata": {"name": "a", "ownerReferences": [{"name": "x"}]}}, Invalid, r"metadata.ownerReferences\[0\]"),
        ({"metadata": {"name": "a"}, "data": {"a/b": "x"}}, Invalid, r"data\[a/b\]"),
        ({"metadata": {"name": "a"}, "data": {"a": 1}}, Invalid, "data.a"),
        ({"metadata": {"name": "a"}, "data": {"a": "\ud800"}}, BadRequest, "cannot be written as JSON"),
    ],
)
def test_a_wrong_configmap_is_refused_by_the_field_and_nothing_is_kept(
    tmp_path: Path, sent: Any, error: type[ApiError], words: str
) -> None:
    async def act(scene: Scene) -> None:
        before = scene.world.store.revision
        with pytest.raises(error, match=words):
            await scene.create("configmaps", sent)
        await scene.world.store.committed()
        assert scene.world.store.revision == before

    play(tmp_path, act)


def test_a_misspelt_field_is_an_error_when_strict_and_a_warning_else(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(BadRequest, match=r'strict decoding error: unknown field "spec.containers\[0\].imag"'):
            wrong = {"name": "c", "image": "i", "imag": "x"}
            await scene.create("pods", pod(containers=[wrong]), WriteOptions(strictness="Strict"))

    play(tmp_path, act)


def test_a_custom_kind_is_served_from_the_commit_of_its_definition_on(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = await scene.create("customresourcedefinitions.apiextensions.k8s.io", definition())
        conditions = {c["type"]: c["status"] for c in made["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}
        widget = await scene.create("widgets.example.com", {"metadata": {"name": "w"}, "spec": {"size": 3, "odd": 1}})
        assert widget["spec"] == {"size": 3, "color": "red"} and widget["apiVersion"] == "example.com/v1"
        assert widget["metadata"]["generation"] == 1

    play(tmp_path, act)


def test_a_custom_object_is_refused_by_its_schema(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("customresourcedefinitions.apiextensions.k8s.io", definition())
        with pytest.raises(Invalid, match=r'Widget\.example\.com "w" is invalid: spec.size: Invalid value: 0') as caught:
            await scene.create("widgets.example.com", {"metadata": {"name": "w"}, "spec": {"size": 0}})
        assert caught.value.fields[0].path == "spec.size"
        with pytest.raises(Invalid, match=r"spec.size: Required value"):
            await scene.create("widgets.example.com", {"metadata": {"name": "w"}, "spec": {}})

    play(tmp_path, act)


def test_status_of_a_custom_object_is_an_ordinary_field_without_the_subresource(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.create("customresourcedefinitions.apiextensions.k8s.io", definition(status=False))
        widget = {"metadata": {"name": "w"}, "spec": {"size": 3}, "status": {"a": 1}}
        assert (await scene.create("widgets.example.com", widget))["status"] == {"a": 1}

    play(tmp_path, act)


def test_a_definition_may_not_hide_a_built_in_kind(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        wrong = definition()
        wrong["metadata"]["name"] = "leases.coordination.k8s.io"
        wrong["spec"]["group"] = "coordination.k8s.io"
        wrong["spec"]["names"] = {"plural": "leases", "kind": "Lease"}
        with pytest.raises(Conflict, match="is built in"):
            await scene.create("customresourcedefinitions.apiextensions.k8s.io", wrong)

    play(tmp_path, act)
