"""Edged on a real Podman: a board that tests apply pods to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import PodChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.containers.engine import Engine
from edgecore.containers.engine_facts import machine_facts
from edgecore.containers.progress import PullBoard
from edgecore.edged.module import EdgedModule
from edgecore.edged.settings import EdgedSettings
from edgecore.edgemesh.child import ProxyChild
from tests.fakes.meta import FakeMeta
from tests.fakes.podman import ENDS_WHEN_ASKED, Podman


@dataclass
class Board:
    podman: Podman
    meta: FakeMeta
    switchboard: Switchboard
    keeper: Keeper
    count: int = 0
    proxy: bool = False
    pulls: PullBoard = field(default_factory=PullBoard)

    def start(self) -> None:
        """Edged with a Podman service of its own, under a keeper."""
        self.switchboard = Switchboard()
        self.keeper = Keeper(self.switchboard, first_delay=0.1)
        devices = {"bramble.io/loop": ("/dev/loop-control",), "bramble.io/serial": ("/dev/not-plugged-in",)}
        settings = EdgedSettings("edge1", str(self.podman.root), "0.1.0", node_address="192.168.1.9", devices=devices)

        def make() -> EdgedModule:
            engine = Engine(str(self.podman.root), facts=machine_facts, system_socket="/nonexistent")
            proxy = ProxyChild(self.podman.root / "edgemesh") if self.proxy else None
            return EdgedModule(settings, self.switchboard, self.meta, engine, proxy=proxy, pull_board=self.pulls)

        self.keeper.keep("edged", "edged", make)
        self.keeper.start()

    def stop(self) -> None:
        assert self.keeper.stop(20) == []

    def pod(self, name: str, *words: str, volumes: list[dict[str, Any]] | None = None, **container: Any) -> dict[str, Any]:
        """A pod with one container that runs ``words`` (or until it is told to end)."""
        self.count += 1
        fields = {"name": "main", "image": self.podman.image, "command": list(words or ENDS_WHEN_ASKED), **container}
        spec: dict[str, Any] = {"containers": [fields], "terminationGracePeriodSeconds": 2, "volumes": volumes or []}
        return {"metadata": {"name": name, "namespace": "default", "uid": f"{self.count:08x}-{name}"}, "spec": spec}

    def apply(self, document: dict[str, Any]) -> None:
        key = f"default/pod/{document['metadata']['name']}"
        self.meta.pods_stored[key] = document
        assert self.switchboard.send("edged", PodChanged(key, document))

    def delete(self, name: str) -> None:
        self.meta.pods_stored.pop(f"default/pod/{name}", None)
        self.switchboard.send("edged", PodChanged(f"default/pod/{name}", None))

    def running(self, name: str, restarts: int = 0) -> dict[str, Any]:
        def ready() -> bool:
            status = self.meta.last_status(name)
            found = status.get("containerStatuses") or [{}]
            return status.get("phase") == "Running" and all(c["ready"] and c["restartCount"] == restarts for c in found)

        self.meta.wait_for(ready, 20)
        return self.meta.last_status(name)

    def inside(self, name: str, *words: str) -> str:
        found = self.meta.last_status(name)["containerStatuses"][0]["containerID"].removeprefix("podman://")
        return self.podman.run("exec", found, *words)


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    made = Podman()
    made.engine.stop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def board(podman: Podman) -> Iterator[Board]:
    made = Board(podman, FakeMeta(), Switchboard(), Keeper(Switchboard()))
    made.start()
    yield made
    for key in list(made.meta.pods_stored):
        made.delete(key.rpartition("/")[2])
    made.meta.wait_for(lambda: not podman.ids(), 30)
    made.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
