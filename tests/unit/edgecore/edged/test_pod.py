from __future__ import annotations

from typing import Any

import pytest

from edgecore.edged.pod import read_pod
from tests.unit.edgecore.edged.pods import container, pod


def hash_of(document: dict[str, Any]) -> str:
    return read_pod(document).containers[0].hash


def test_the_hash_is_of_what_was_asked_for_and_blind_to_spelled_out_defaults() -> None:
    plain = pod(container(ports=[{"containerPort": 80}]))
    spelled = pod(container(ports=[{"containerPort": 80, "protocol": "TCP"}], resources={}, env=[], terminationMessagePath="/dev/x"))
    assert hash_of(plain) == hash_of(spelled)
    assert hash_of(plain) == hash_of({**plain, "metadata": {**plain["metadata"], "resourceVersion": "9", "labels": {"a": "b"}}})


@pytest.mark.parametrize(
    "change",
    [{"image": "localhost/web:2"}, {"command": ["x"]}, {"env": [{"name": "A", "value": "1"}]}, {"resources": {"limits": {"cpu": "1"}}}],
)
def test_the_hash_changes_with_what_the_container_runs(change: dict[str, Any]) -> None:
    assert hash_of(pod(container())) != hash_of(pod(container(**change)))


@pytest.mark.parametrize(
    ("metadata", "spec", "grace"),
    [
        ({}, {}, 30),
        ({}, {"terminationGracePeriodSeconds": 5}, 5),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 1}, {"terminationGracePeriodSeconds": 5}, 1),
        ({"deletionGracePeriodSeconds": 1}, {"terminationGracePeriodSeconds": 5}, 5),
        ({}, {"terminationGracePeriodSeconds": "soon"}, 30),
    ],
)
def test_the_grace_of_a_deletion_wins_over_that_of_the_spec(metadata: dict[str, Any], spec: dict[str, Any], grace: float) -> None:
    assert read_pod(pod(metadata=metadata, **spec)).grace == grace


def test_a_pod_that_must_know_its_address_gets_a_sandbox_although_it_is_alone() -> None:
    entry = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    assert read_pod(pod(container(env=[entry]))).shared
    assert not read_pod(pod(container())).shared


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({}, "metadata.uid"),
        ({"metadata": []}, "metadata.uid"),
        ({"metadata": {"uid": "u", "namespace": "n", "name": ""}}, "metadata.name"),
        ({"metadata": {"uid": "u", "namespace": "n", "name": "p"}}, "spec.containers"),
        ({"metadata": {"uid": "u", "namespace": "n", "name": "p"}, "spec": {"containers": ["x"]}}, r"spec.containers\[0\]"),
        ({"metadata": {"uid": "u", "namespace": "n", "name": "p"}, "spec": {"containers": [{"name": "c"}]}}, r"spec.containers\[0\]"),
    ],
)
def test_a_document_that_is_no_pod_is_refused_by_field(document: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        read_pod(document)
