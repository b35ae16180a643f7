"""Jobs whose pods are numbered (``completionMode: Indexed``): one success for each index from 0 on. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cloudstub.controllers.objects import (
    Object,
    annotations_of,
    labels_of,
    meta,
    name_of,
    safe_hash,
    spec_of,
    uid_of,
    with_meta,
    with_spec,
)

KEY = "batch.kubernetes.io/job-completion-index"
VARIABLE = "JOB_COMPLETION_INDEX"


def is_indexed(job: Object) -> bool:
    return spec_of(job).get("completionMode") == "Indexed"


def of(pods: Iterable[Object]) -> frozenset[int]:
    """The indexes that ``pods`` have."""
    texts = (annotations_of(pod).get(KEY, "") for pod in pods)
    return frozenset(int(text) for text in texts if text.isdecimal())


def open_ones(job: Object, taken: frozenset[int]) -> list[int]:
    """The indexes that no pod has or has had with success, the lowest first."""
    return [index for index in range(int(spec_of(job).get("completions") or 0)) if index not in taken]


def given(pod: Object, job: Object, index: int, now: datetime) -> Object:
    """``pod`` with its index, as its containers, its name and its host name tell it."""
    seed = [uid_of(job), meta(job).get("resourceVersion"), now.isoformat(), index]
    name = f"{name_of(job)[:240]}-{index}-{safe_hash(seed, 5)}"
    told = {"annotations": {**annotations_of(pod), KEY: str(index)}, "labels": {**labels_of(pod), KEY: str(index)}}
    numbered = with_meta(pod, name=name, generateName=f"{name_of(job)[:240]}-{index}-", **told)
    containers = {kind: [_told(one) for one in spec_of(pod)[kind]] for kind in ("initContainers", "containers") if spec_of(pod).get(kind)}
    return with_spec(numbered, hostname=spec_of(pod).get("hostname") or f"{name_of(job)}-{index}"[:63].strip("-"), **containers)


def text(indexes: Iterable[int]) -> str:
    """``0-2,4``."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][-1] + 1:
            runs[-1][1:] = [index]
        else:
            runs.append([index])
    return ",".join("-".join(map(str, run)) for run in runs)


def _told(container: dict[str, Any]) -> dict[str, Any]:
    env = [one for one in container.get("env") or () if one.get("name") != VARIABLE]
    field = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{KEY}']"}}
    return {**container, "env": [*env, {"name": VARIABLE, "valueFrom": field}]}
