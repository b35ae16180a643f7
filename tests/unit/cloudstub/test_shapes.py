"""Which field of an object has a wrong type is said."""

from __future__ import annotations

from typing import Any

import pytest

from cloudstub.kinds.shapes import shape_errors


@pytest.mark.parametrize(
    ("resource", "obj", "path"),
    [
        ("pods", {"spec": "x"}, "spec"),
        ("pods", {"spec": {"tolerations": "x"}}, "spec.tolerations"),
        ("pods", {"spec": {"containers": [{"name": 1}]}}, "spec.containers[0].name"),
        ("pods", {"spec": {"containers": [None]}}, "spec.containers[0]"),
        ("deployments.apps", {"spec": {"replicas": "3"}}, "spec.replicas"),
        ("deployments.apps", {"spec": {"replicas": 2**31}}, "spec.replicas"),
        ("deployments.apps", {"spec": {"strategy": {"rollingUpdate": {"maxSurge": "many"}}}}, "spec.strategy.rollingUpdate.maxSurge"),
        ("nodes", {"status": {"allocatable": {"cpu": [4]}}}, "status.allocatable.cpu"),
        ("configmaps", {"metadata": {"ownerReferences": [{"uid": 1}]}}, "metadata.ownerReferences[0].uid"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(resource: str, obj: dict[str, Any], path: str) -> None:
    assert {error.path for error in shape_errors(resource, obj)} == {path}
