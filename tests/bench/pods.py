"""Pods: from apply to Running against ``podman run`` of the same image in the same run (C4), alone and ten at once; from a death to the
restart; and what pods that do nothing cost EdgeCore in CPU, memory (C2) and writes to the disk (S2)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from demo.stage import wait_for
from tests.bench.figure import Figure, Group, cpu_seconds, pss_mb, written_mb
from tests.bench.stand import IMAGE, NODE, Stand
from tests.system.api import api_session

_ROUNDS = 8
_TOGETHER = 10
_DEATHS = 8
_IDLE_SECONDS = 60.0
_COUNTS = (0, 10, 30)
_PODS = "/api/v1/namespaces/default/pods"
_WAITS = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]


def measure(stand: Stand) -> Iterator[Figure]:
    ours = [asyncio.run(_apply(stand, 1)) for _ in range(_ROUNDS)]
    theirs = [_podman_run(stand, 1) for _ in range(_ROUNDS)]
    yield from _compared("alone", ours, theirs)
    yield from _compared("ten_at_once", [asyncio.run(_apply(stand, _TOGETHER))], [_podman_run(stand, _TOGETHER)])


def measure_deaths(stand: Stand) -> Iterator[Figure]:
    """The container's main process is killed; a new one writes the time of its start into a file."""
    with _pods(stand, _DEATHS, witness=True) as folder:
        files = sorted(folder.iterdir())
        took = []
        for file in files:
            before = file.stat().st_mtime_ns
            os.kill(_main_process(stand, file.name), signal.SIGKILL)
            died = time.time_ns()
            wait_for("another start", lambda file=file, before=before: file.stat().st_mtime_ns != before, within=30, every=0.005)
            took.append((file.stat().st_mtime_ns - died) / 1e9)
    yield Figure("pod_death_to_restart.p50", statistics.median(took) * 1000, "ms")
    yield Figure("pod_death_to_restart.max", max(took) * 1000, "ms")


def measure_idle(stand: Stand) -> Iterator[Figure]:
    edgecore = stand.board.process
    assert edgecore is not None
    for count in _COUNTS:
        with _pods(stand, count):
            time.sleep(10)
            ours = {"edgecore": edgecore.pid, "mosquitto": stand.broker_pid(), "podman": stand.podman_pid()}
            cpu = {name: cpu_seconds(pid) for name, pid in ours.items()}
            written = sum(map(written_mb, ours.values()))
            time.sleep(_IDLE_SECONDS)
            for name in ("edgecore", "podman"):
                used = (cpu_seconds(ours[name]) - cpu[name]) / _IDLE_SECONDS * 100
                yield Figure(f"{name}.idle_cpu.{count}_pods", used, "%_of_a_core")
                yield Figure(f"{name}.pss.{count}_pods", pss_mb(ours[name]), "MB")
            if count == _TOGETHER:
                yield Figure("idle_writes.10_pods", (sum(map(written_mb, ours.values())) - written) * 3600 / _IDLE_SECONDS, "MB_an_hour")


def _compared(what: str, ours: list[float], theirs: list[float]) -> Iterator[Figure]:
    yield Figure(f"pod_apply_to_running.{what}.p50", statistics.median(ours) * 1000, "ms")
    yield Figure(f"podman_run.{what}.p50", statistics.median(theirs) * 1000, "ms")
    yield Figure(f"pod_apply_to_running.{what}.of_podman_run", statistics.median(ours) / statistics.median(theirs), "ratio")


def _pod(name: str, **container: Any) -> dict[str, Any]:
    fields = {"name": "web", "image": IMAGE, "imagePullPolicy": "IfNotPresent", **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"bench": "pods"}},
        "spec": {"nodeName": NODE, "terminationGracePeriodSeconds": 1, "containers": [fields]},
    }


async def _apply(stand: Stand, count: int) -> float:
    """Seconds from the first POST of ``count`` pods to the watch event in which the last of them is Running."""
    names = {f"bench-{number}" for number in range(count)}
    async with api_session(stand.site) as session:
        async with session.get(_PODS, params={"watch": "true", "labelSelector": "bench=pods"}) as events:
            started = time.perf_counter()
            await asyncio.gather(*(_post(session, _pod(name)) for name in names))
            waiting = set(names)
            async for line in events.content:
                seen = json.loads(line)["object"]
                if seen.get("status", {}).get("phase") == "Running":
                    waiting.discard(seen["metadata"]["name"])
                if not waiting:
                    break
            elapsed = time.perf_counter() - started
        await _remove_pods(session)
        return elapsed


async def _post(session: aiohttp.ClientSession, pod: dict[str, Any]) -> None:
    async with session.post(_PODS, json=pod) as answer:
        answer.raise_for_status()


async def _remove_pods(session: aiohttp.ClientSession) -> None:
    async with session.delete(_PODS, params={"labelSelector": "bench=pods"}) as answer:
        answer.raise_for_status()
    while True:
        async with session.get(_PODS, params={"labelSelector": "bench=pods"}) as answer:
            if not (await answer.json())["items"]:
                return
        await asyncio.sleep(0.1)


def _podman_run(stand: Stand, count: int) -> float:
    """Seconds that ``podman run -d`` takes, through the same engine; ``count`` of them at once."""
    names = [f"bench-podman-{number}" for number in range(count)]

    def run(name: str) -> None:
        stand.board.podman("run", "-d", "--name", name, "--stop-timeout", "1", IMAGE)

    started = time.perf_counter()
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(run, names))
    elapsed = time.perf_counter() - started
    stand.board.podman("rm", "-f", "-t", "1", *names)
    return elapsed


@contextmanager
def _pods(stand: Stand, count: int, *, witness: bool = False) -> Iterator[Path]:
    """``count`` pods that run and do nothing; with ``witness`` each writes a file of its name in the folder when it starts."""
    folder = stand.folder / "starts"
    folder.mkdir(exist_ok=True)
    pods = [_pod(f"bench-{number}", command=_WAITS) for number in range(count)]
    if witness:
        for pod in pods:
            (container,) = pod["spec"]["containers"]
            pod["spec"]["volumes"] = [{"name": "starts", "hostPath": {"path": str(folder)}}]
            container["volumeMounts"] = [{"name": "starts", "mountPath": "/starts"}]
            container["command"] = ["/bin/sh", "-c", f"echo started >> /starts/{pod['metadata']['name']}; {_WAITS[2]}"]
    if pods:
        stand.site.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))

    def running() -> bool:
        return sum(pod["status"].get("phase") == "Running" for pod in stand.site.pods("bench=pods")) == count

    stand.site.wait("the pods running", running, within=180)
    yield folder
    stand.site.kubectl("delete", "pods", "-l", "bench=pods", "--wait=false")
    stand.site.wait("the pods gone", lambda: not stand.site.pods("bench=pods") or None, within=120)


def _main_process(stand: Stand, pod: str) -> int:
    id_ = stand.site.get("pod", pod)["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    return int(stand.board.podman("inspect", "-f", "{{.State.Pid}}", id_))


def _names(*parts: str) -> tuple[str, ...]:
    return tuple(f"{figure}.{part}" for part in parts for figure in ("edgecore.idle_cpu", "edgecore.pss", "podman.idle_cpu", "podman.pss"))


_KINDS = ("alone", "ten_at_once")
GROUP = Group(
    (
        *(f"pod_apply_to_running.{kind}.p50" for kind in _KINDS),
        *(f"podman_run.{kind}.p50" for kind in _KINDS),
        *(f"pod_apply_to_running.{kind}.of_podman_run" for kind in _KINDS),
    ),
    measure,
    needs_board=True,
)
DEATHS = Group(("pod_death_to_restart.p50", "pod_death_to_restart.max"), measure_deaths, needs_board=True)
IDLE = Group((*_names(*(f"{count}_pods" for count in _COUNTS)), "idle_writes.10_pods"), measure_idle, needs_board=True)
