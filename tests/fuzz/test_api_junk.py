"""Junk in any field of any kind is refused or stored; it never breaks the server."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloudstub.errors import ApiError
from cloudstub.store.records import Record
from cloudstub.verbs.create import create
from cloudstub.verbs.delete import delete
from cloudstub.verbs.patch import MERGE_PATCH, patch
from cloudstub.verbs.update import update, update_status
from cloudstub.verbs.world import Target
from tests.unit.cloudstub.verbs.worlds import Scene, definition, deployment, play, pod

JUNK: list[Any] = [None, "x", "", -1, True, 1e308, 2**70, [], {}, [1], [None], [{}], {"a": 1}, {"a": None}, [["x"]]]
JOB = {"metadata": {"name": "j"}, "spec": {"template": {"spec": {**pod()["spec"], "restartPolicy": "Never"}}}}
SERVICE = {"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "ports": [{"name": "p", "port": 80}], "selector": {"a": "b"}}}
NODE = {
    "metadata": {"name": "n", "labels": {"a": "b"}},
    "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "1.2.3.4"}]},
}
RICH_POD = pod(
    volumes=[{"name": "v", "configMap": {"name": "c"}}],
    containers=[
        {
            "name": "c",
            "image": "i",
            "ports": [{"containerPort": 80, "hostPort": 80}],
            "env": [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            "resources": {"limits": {"cpu": "1"}},
            "livenessProbe": {"httpGet": {"port": 80}},
        }
    ],
)
ENDED = {"terminated": {"finishedAt": "2026-01-01T00:00:00Z", "exitCode": 1}}
POD_STATUS = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "True"}],
    "containerStatuses": [{"name": "c", "restartCount": 1, "ready": True, "state": {"running": {}}, "lastState": ENDED}],
    "initContainerStatuses": [{"name": "i", "state": ENDED}],
}
WEBHOOKS: dict[str, Any] = {
    "metadata": {"name": "w"},
    "webhooks": [
        {
            "name": "a.b.c",
            "clientConfig": {"service": {"namespace": "a", "name": "b", "path": "/c", "port": 443}},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}],
            "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
            "objectSelector": {"matchLabels": {"a": "b"}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
    ],
}
SAMPLES: dict[str, dict[str, Any]] = {
    "validatingwebhookconfigurations.admissionregistration.k8s.io": WEBHOOKS,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": WEBHOOKS,
    "pods": {**RICH_POD, "status": POD_STATUS},
    "nodes": NODE,
    "services": SERVICE,
    "jobs.batch": JOB,
    "deployments.apps": deployment(),
    "namespaces": {"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {"finalizers": ["kubernetes"]}},
    "configmaps": {"metadata": {"name": "c", "annotations": {"a": "b"}}, "data": {"a": "b"}, "binaryData": {"b": "eA=="}},
    "secrets": {"metadata": {"name": "s"}, "data": {"a": "eA=="}, "stringData": {"b": "c"}, "type": "Opaque"},
    "events": {"metadata": {"name": "e"}, "involvedObject": {"namespace": "default"}, "source": {"component": "x"}, "series": {}},
    "endpoints": {"metadata": {"name": "e"}, "subsets": [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 1}]}]},
    "leases.coordination.k8s.io": {"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": 10}},
    "customresourcedefinitions.apiextensions.k8s.io": definition(),
    "widgets.example.com": {"metadata": {"name": "w", "finalizers": ["a.b/c"]}, "spec": {"size": 1}, "status": {"a": 1}},
}


def spoilt(value: Any) -> Iterator[Any]:
    """The value with junk in each of its places, one at a time."""
    for junk in JUNK:
        yield copy.deepcopy(junk)
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, item in inner:
        for bad in spoilt(item):
            whole = copy.copy(value)
            whole[place] = bad
            yield whole


def show(target: Target, record: Record | None) -> None:
    assert record is not None
    for column in target.kind.versions[target.version].columns:
        column.cell(record.value, datetime.now(UTC))


@pytest.mark.parametrize("resource", sorted(SAMPLES))
def test_junk_is_an_error_of_the_client_or_harmless(tmp_path: Path, resource: str, caplog: pytest.LogCaptureFixture) -> None:
    async def act(scene: Scene) -> None:
        if resource == "widgets.example.com":
            await scene.create("customresourcedefinitions.apiextensions.k8s.io", definition())
        world = scene.world
        for sent in spoilt(SAMPLES[resource]):
            target = scene.target(resource)
            try:
                create(world, target, sent)
            except ApiError as exc:
                assert exc.code < 500, (sent, exc)
                continue
            await world.store.committed()
            assert "an observer failed" not in caplog.text, sent
            for record in list(world.store.ordered(resource)):
                show(target, record)
                if record.key.name == "default":
                    continue
                delete(world, Target(target.kind, target.version, record.key.namespace, record.key.name))
                await world.store.committed()

    play(tmp_path, act)


@pytest.mark.parametrize("resource", sorted(SAMPLES))
def test_junk_in_an_update_is_an_error_of_the_client_or_harmless(tmp_path: Path, resource: str, caplog: pytest.LogCaptureFixture) -> None:
    async def act(scene: Scene) -> None:
        if resource == "widgets.example.com":
            await scene.create("customresourcedefinitions.apiextensions.k8s.io", definition())
        made = await scene.create(resource, SAMPLES[resource])
        target = scene.target(resource, made["metadata"]["name"])
        for sent in spoilt(SAMPLES[resource]):
            for write in (update, update_status):
                try:
                    write(scene.world, target, sent)
                    await scene.world.store.committed()
                    show(target, scene.world.store.get(target.key))
                except ApiError as exc:
                    assert exc.code < 500, (sent, exc)
            try:
                patch(scene.world, target, "", MERGE_PATCH, sent)
            except ApiError as exc:
                assert exc.code < 500, (sent, exc)
            await scene.world.store.committed()

    play(tmp_path, act)
