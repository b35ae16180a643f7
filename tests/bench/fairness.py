"""How long a change takes to reach one node while another one has ten thousand objects queued, or floods the hub with questions (D8)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from cloudcore.kube.client import KubeClient
from cloudcore.kube.kubeconfig import read_kubeconfig
from cloudcore.kube.resources import CONFIGMAPS, NODES, PODS
from tests.bench.cloud import Cloud, Fleet, cloud, settle
from tests.bench.figure import Figure, Group, percentile

_QUEUED = 10_000
_DRAINS = 6
_SAMPLES = 400
_FLOOD_SECONDS = 6.0
_NAMES = (
    "delivery.quiet.p99",
    "delivery.queued.p99",
    "delivery.queued.ratio",
    "delivery.queued.drain",
    "delivery.flood.p99",
    "delivery.flood.ratio",
)


def measure(_: object) -> Iterator[Figure]:
    with cloud() as made:
        containers = [{"name": "c", "image": "busybox", "envFrom": [{"configMapRef": {"name": "quiet"}}]}]
        made.ask(lambda kube: kube.create(CONFIGMAPS, "default", _configmap(0)))
        made.populate(["quiet0"], {"containers": containers})
        made.ask(_queue)
        settle()
        with made.fleet("quiet", 1, "--tell") as quiet:
            quiet.connected()
            for _ in range(2):
                quiet.told()
            settle()
            calm = percentile(_latencies(made, quiet, lambda so_far: len(so_far) >= _SAMPLES), 0.99)
            yield Figure("delivery.quiet.p99", calm * 1000, "ms")
            queued, drains = [], []
            for _ in range(_DRAINS):
                with made.fleet("loud", 1) as loud, ThreadPoolExecutor(1) as reader:
                    began = loud.connected()
                    drained = reader.submit(loud.stored, _QUEUED)
                    queued += _latencies(made, quiet, partial(_is_done, drained))
                    drains.append(drained.result() - began)
            yield Figure("delivery.queued.p99", percentile(queued, 0.99) * 1000, "ms")
            yield Figure("delivery.queued.ratio", percentile(queued, 0.99) / calm, "times_quiet")
            yield Figure("delivery.queued.drain", percentile(drains, 0.5), "s")
            settle()
            with made.fleet("flooding", 1, "--flood") as flooding:
                ends = flooding.connected() + _FLOOD_SECONDS
                flooded = percentile(_latencies(made, quiet, lambda so_far: time.monotonic() >= ends), 0.99)
                yield Figure("delivery.flood.p99", flooded * 1000, "ms")
                yield Figure("delivery.flood.ratio", flooded / calm, "times_quiet")


def _is_done(drained: Future[float], so_far: list[float]) -> bool:
    return drained.done()


async def _queue(kube: KubeClient) -> None:
    """Ten thousand pods that are bound to one node."""
    await kube.create(NODES, None, {"metadata": {"name": "loud0", "labels": {"node-role.kubernetes.io/edge": ""}}, "spec": {}})
    left = iter(range(_QUEUED))

    async def write() -> None:
        for number in left:
            spec = {"nodeName": "loud0", "containers": [{"name": "c", "image": "busybox"}]}
            await kube.create(PODS, "default", {"metadata": {"name": f"loud-{number}", "namespace": "default"}, "spec": spec})

    await asyncio.gather(*(write() for _ in range(64)))


def _latencies(made: Cloud, quiet: Fleet, is_enough: Callable[[list[float]], bool]) -> list[float]:
    """Seconds from the request that changes the ConfigMap until the node has it, one change after the other."""

    async def run() -> list[float]:
        kube = KubeClient(read_kubeconfig(made.kubeconfig))
        taken: list[float] = []
        try:
            while not is_enough(taken):
                began = time.monotonic()
                changed = await kube.update(CONFIGMAPS, "default", _configmap(time.monotonic_ns()))
                version = int(changed["metadata"]["resourceVersion"])
                while int((arrived := quiet.told())["version"]) < version:
                    pass
                taken.append(arrived["at"] - began)
        finally:
            await kube.close()
        return taken

    return asyncio.run(run())


def _configmap(value: int) -> dict[str, Any]:
    return {"metadata": {"name": "quiet", "namespace": "default"}, "data": {"value": str(value)}}


GROUP = Group(_NAMES, measure)
