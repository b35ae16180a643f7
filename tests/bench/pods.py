"""From the apply of a pod to Running, against ``podman run`` of the same image in the same run (C4)."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from tests.bench.figure import Figure, Group
from tests.bench.stand import IMAGE, NODE, Stand
from tests.bench.twins import _session

_ROUNDS = 8
_NAMES = ("pod_apply_to_running.p50", "podman_run.p50", "pod_apply_to_running.of_podman_run")


def measure(stand: Stand) -> Iterator[Figure]:
    import asyncio

    ours, theirs = [], []
    for number in range(_ROUNDS):
        ours.append(asyncio.run(_apply(stand, f"bench-{number}")))
        theirs.append(_podman_run(stand, f"bench-podman-{number}"))
    yield Figure("pod_apply_to_running.p50", statistics.median(ours) * 1000, "ms")
    yield Figure("podman_run.p50", statistics.median(theirs) * 1000, "ms")
    yield Figure("pod_apply_to_running.of_podman_run", statistics.median(ours) / statistics.median(theirs), "ratio")


async def _apply(stand: Stand, name: str) -> float:
    """Seconds from the POST of a pod to the watch event in which it is Running."""
    pods = "/api/v1/namespaces/default/pods"
    container = {"name": "web", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": NODE, "terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    async with _session(stand.site) as session:
        async with session.get(pods, params={"watch": "true", "fieldSelector": f"metadata.name={name}"}) as events:
            started = time.perf_counter()
            async with session.post(pods, json=pod) as answer:
                answer.raise_for_status()
            async for line in events.content:
                if json.loads(line)["object"].get("status", {}).get("phase") == "Running":
                    break
            elapsed = time.perf_counter() - started
        async with session.delete(f"{pods}/{name}") as answer:
            answer.raise_for_status()
        while True:
            async with session.get(f"{pods}/{name}") as answer:
                if answer.status == 404:
                    return elapsed
            await __import__("asyncio").sleep(0.1)


def _podman_run(stand: Stand, name: str) -> float:
    """Seconds that ``podman run -d`` takes, through the same engine."""
    started = time.perf_counter()
    stand.board.podman("run", "-d", "--name", name, "--stop-timeout", "1", IMAGE)
    elapsed = time.perf_counter() - started
    stand.board.podman("rm", "-f", "-t", "1", name)
    return elapsed


GROUP = Group(_NAMES, measure, needs_board=True)
