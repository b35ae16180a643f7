"""No object that the API lets in can stop a controller: junk in any field is refused, or harmless."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from cloudstub.controllers import runner
from cloudstub.controllers.ports import Snapshot
from cloudstub.kinds import defaults, validation
from cloudstub.kinds.shapes import shape_errors
from tests.unit.cloudstub.made import NOW, ago, node, pod, template, workload

Path = tuple[str | int, ...]
JUNK: list[Any] = [None, "x", -1, [], {}, [1], [None], [{}], True, 1e308, 2**70, "abc%"]
TAINT = {"key": "a", "value": "b", "effect": "NoSchedule"}
TERM = {
    "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
    "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}],
}
POD_SPEC: dict[str, Any] = {
    "containers": [
        {
            "name": "c",
            "image": "i",
            "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.1"}],
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
        }
    ],
    "initContainers": [{"name": "x", "image": "i"}],
    "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
    "hostname": "web-0",
    "subdomain": "web",
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
    "priority": 3,
    "overhead": {"cpu": "1"},
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": TERM}],
        }
    },
}
CONDITION = {"type": "Ready", "status": "True", "reason": "r", "lastTransitionTime": ago(9), "lastUpdateTime": ago(9)}
CONDITIONS = [CONDITION, {**CONDITION, "type": "Progressing"}, {**CONDITION, "type": "DisruptionTarget", "reason": "DeletionByPodGC"}]
TEMPLATE = {**template(), "spec": POD_SPEC}
SELECTOR = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "Exists"}]}
COUNTS = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": CONDITIONS}


def whole(kind: str, status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {**workload(kind, kind.lower(), **{"selector": SELECTOR, "template": TEMPLATE, "minReadySeconds": 1, **spec}), "status": status}


def stored_pod() -> dict[str, Any]:
    made = pod("p", node="n", owner="uid-replicaset", **POD_SPEC)
    finished = {"name": "c", "restartCount": 1, "state": {"terminated": {"finishedAt": ago(9)}}}
    return {**made, "status": {"phase": "Running", "podIP": "10.0.0.2", "conditions": CONDITIONS, "containerStatuses": [finished]}}


ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}
CLAIM_REF = {"namespace": "default", "name": "data", "uid": "uid-gone"}
REFERENCE = {"kind": "Pod", "namespace": "default", "name": "p", "uid": "uid-p"}
WEB = {"name": "web", "namespace": "default", "uid": "uid-web", "labels": {"a": "b"}}
STORED: dict[str, dict[str, Any]] = {
    "services": {
        "metadata": WEB,
        "spec": {
            "type": "NodePort",
            "clusterIP": "10.96.1.0",
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}, {"name": "n", "port": 81, "targetPort": 8081}],
        },
    },
    "endpoints": {
        "metadata": WEB,
        "subsets": [{"addresses": [{"ip": "10.0.0.2", "targetRef": REFERENCE}], "ports": [{"name": "http", "port": 80}]}],
    },
    "endpointslices.discovery.k8s.io": {
        "metadata": {**WEB, "name": "web-1"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.2"], "conditions": {"ready": True}, "targetRef": REFERENCE}],
        "ports": [{"name": "http", "port": 80}],
    },
    "pods": stored_pod(),
    "nodes": {**node("n", taints=[TAINT], labels={"a": "b"}), "status": {"conditions": CONDITIONS, "allocatable": {"cpu": "4"}}},
    "leases.coordination.k8s.io": {"metadata": {"name": "n", "namespace": "kube-node-lease"}, "spec": {"renewTime": ago(5)}},
    "cronjobs.batch": {
        "metadata": {"name": "cron", "namespace": "default", "uid": "uid-cron", "creationTimestamp": ago(900)},
        "spec": {
            "schedule": "*/5 * * * *",
            "timeZone": "Europe/Berlin",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 100,
            "jobTemplate": {"spec": {"template": {**TEMPLATE, "spec": {**POD_SPEC, "restartPolicy": "Never"}}}},
        },
        "status": {"lastScheduleTime": ago(300), "active": [CLAIM_REF]},
    },
    "persistentvolumeclaims": {
        "metadata": {"name": "data", "namespace": "default", "uid": "uid-data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "pv"},
        "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}},
    },
    "persistentvolumes": {
        "metadata": {"name": "pv", "uid": "uid-pv"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": CLAIM_REF,
            "nodeAffinity": {"required": {"nodeSelectorTerms": [TERM]}},
        },
        "status": {"phase": "Bound"},
    },
    "storageclasses.storage.k8s.io": {"metadata": {"name": "local"}, "provisioner": "bramble.io/node-local"},
    "deployments.apps": whole("Deployment", COUNTS, replicas=2, strategy=ROLLING, revisionHistoryLimit=1, progressDeadlineSeconds=60),
    "replicasets.apps": whole("ReplicaSet", COUNTS, replicas=2),
    "daemonsets.apps": whole("DaemonSet", {"conditions": CONDITIONS}, updateStrategy=ROLLING),
    "jobs.batch": whole(
        "Job",
        {"startTime": ago(9), "conditions": [{**CONDITION, "type": "Complete", "status": "False"}]},
        parallelism=1,
        completions=2,
        activeDeadlineSeconds=5,
        ttlSecondsAfterFinished=3,
        suspend=False,
        template={**TEMPLATE, "spec": {**POD_SPEC, "restartPolicy": "Never"}},
    ),
}


def fields(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from fields(one, (*path, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from fields(one, (*path, index))


def with_junk(obj: dict[str, Any], path: Path, junk: Any) -> dict[str, Any]:
    changed = copy.deepcopy(obj)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = copy.deepcopy(junk)
    return changed


def is_let_in(resource: str, obj: dict[str, Any]) -> bool:
    if shape_errors(resource, obj):
        return False
    defaults.fill(resource, obj)
    return not validation.errors(resource, obj, None)


def look(snapshot: Snapshot) -> None:
    for controller in runner.CONTROLLERS:
        controller.decide(snapshot, NOW)
        if controller.due:
            controller.due(snapshot, NOW)


def everything(**changed: list[dict[str, Any]]) -> Snapshot:
    snapshot: Snapshot = {"namespaces": [], **{resource: [obj] for resource, obj in STORED.items()}}
    return {**snapshot, **changed}


@pytest.mark.parametrize("resource", STORED)
def test_junk_in_any_field_is_refused_or_harmless(resource: str) -> None:
    for part in ("spec", "status", *(STORED[resource].keys() & {"subsets", "endpoints", "ports"})):
        for below in fields(STORED[resource].get(part, {})):
            for junk in JUNK:
                obj = with_junk(STORED[resource], (part, *below), junk)
                if is_let_in(resource, obj):
                    look(everything(**{resource: [obj]}))


@pytest.mark.parametrize("resource", STORED)
def test_a_proper_object_is_let_in(resource: str) -> None:
    assert is_let_in(resource, copy.deepcopy(STORED[resource]))
