"""A cloud without boards: cloudstub and CloudCore as processes of their own, and simulated nodes in a third."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from cloudcore.kube.client import KubeClient
from cloudcore.kube.kubeconfig import read_kubeconfig
from cloudcore.kube.resources import NODES, PODS, SECRETS
from demo.stage import BIN, Running, Stage, answers, free_port, wait_for

T = TypeVar("T")

_CONFIG = """\
apiVersion: cloudcore.config.kubeedge.io/v1alpha1
kind: CloudCore
commonConfig:
  monitorServer: {{bindAddress: "127.0.0.1:{metrics}"}}
kubeAPIConfig:
  kubeConfig: {kubeconfig}
modules:
  cloudHub:
    nodeLimit: 20000
    websocket: {{address: 127.0.0.1, port: {hub}}}
    https: {{address: 127.0.0.1, port: {https}}}
  cloudStream: {{streamPort: 0}}
stateDir: {folder}/cloudcore
"""
_WRITERS = 64


class Cloud:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bramble-bench-cloud-"))
        self.stage = Stage(self.folder)
        self.api, self.hub, self.https, self.metrics = (free_port() for _ in range(4))
        self.kubeconfig = self.folder / "kubeconfig"
        self.core: Running | None = None

    def start(self) -> None:
        listen = f"127.0.0.1:{self.api}"
        self.stage.start(
            "cloudstub", BIN / "cloudstub", "--data-dir", self.folder / "api", "--listen", listen, "--kubeconfig", self.kubeconfig
        )
        wait_for("the API", lambda: self.kubeconfig.exists() and answers(self.api), within=20)
        config = self.folder / "cloudcore.yaml"
        config.write_text(
            _CONFIG.format(folder=self.folder, metrics=self.metrics, kubeconfig=self.kubeconfig, hub=self.hub, https=self.https)
        )
        self.core = self.stage.start("cloudcore", BIN / "cloudcore", "--config", config, "--log-level", "warning")
        wait_for("CloudCore", lambda: answers(self.hub), within=30)

    def stop(self) -> None:
        self.stage.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self.core is not None
        return self.core.pid

    def ask(self, work: Callable[[KubeClient], Awaitable[T]]) -> T:
        """What ``work`` gives, with a client of the API."""

        async def run() -> T:
            client = KubeClient(read_kubeconfig(self.kubeconfig), timeout=120.0)
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def populate(self, names: Iterable[str], spec: dict[str, Any]) -> None:
        """A Node and a pod with ``spec`` for each name."""

        async def fill(kube: KubeClient) -> None:
            left = iter(list(names))

            async def write() -> None:
                for name in left:
                    labels = {"node-role.kubernetes.io/edge": ""}
                    await kube.create(NODES, None, {"metadata": {"name": name, "labels": labels}, "spec": {}})
                    metadata = {"name": f"pod-{name}", "namespace": "default"}
                    await kube.create(PODS, "default", {"metadata": metadata, "spec": {"nodeName": name} | spec})

            await asyncio.gather(*(write() for _ in range(_WRITERS)))

        self.ask(fill)

    @contextmanager
    def fleet(self, prefix: str, count: int, *flags: str) -> Iterator[Fleet]:
        papers = self.folder / "authority.json"
        secret = self.ask(lambda kube: kube.get(SECRETS, "kubeedge", "casecret"))
        papers.write_text(json.dumps({"certificate": secret["data"]["cadata"], "key": secret["data"]["cakeydata"]}))
        papers.chmod(0o600)
        where = ("--hub", str(self.hub), "--authority", str(papers), "--nodes", f"{prefix}:{count}")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.fleet", *where, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        fleet = Fleet(process)
        try:
            yield fleet
        finally:
            fleet.stop()


class Fleet:
    """The process of the simulated nodes, as its starter sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._stored = 0

    def connected(self) -> float:
        """When all were."""
        return float(self._next("connected")["at"])

    def stored(self, more: int) -> float:
        """When ``more`` messages than at the last question were stored and acknowledged."""
        self._stored += more
        assert self._process.stdin is not None
        self._process.stdin.write(f"wait {self._stored}\n")
        self._process.stdin.flush()
        return float(self._next("stored")["at"])

    def told(self) -> dict[str, Any]:
        """The next message that was stored, with ``--tell``."""
        return self._next("node")

    def stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.terminate()
        self._process.wait(20)

    def _next(self, word: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            value: dict[str, Any] = json.loads(line)
            if "lost" in value:
                raise RuntimeError(f"{value['lost']} connections of simulated nodes ended")
            if word in value:
                return value
        raise RuntimeError(f"the simulated nodes ended with {self._process.wait(5)}")


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Started, and gone afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    made = Cloud()
    try:
        made.start()
        yield made
    finally:
        made.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def settle(seconds: float = 2.0) -> None:
    """Let what is left to do be done before something is measured."""
    time.sleep(seconds)
