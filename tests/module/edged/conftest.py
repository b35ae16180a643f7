"""Edged with a container engine and a MetaManager in memory."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.letters import PodChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.containers.labels import instance_of
from edgecore.containers.model import Container, State
from edgecore.edged.module import EdgedModule
from edgecore.edged.settings import EdgedSettings
from edgecore.edged.volume_files import memory_root
from tests.fakes.meta import FakeMeta
from tests.fakes.runtime import FakeEngine, FakeRuntime


@dataclass
class Stage:
    """One edged that can be stopped and made again over the same store, disk and engine."""

    root: Path
    meta: FakeMeta = field(default_factory=FakeMeta)
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    engine: FakeEngine = field(init=False)
    switchboard: Switchboard = field(init=False)
    thread: threading.Thread | None = None

    def start(self) -> None:
        self.engine = FakeEngine(self.runtime)
        self.switchboard = Switchboard()
        settings = EdgedSettings(
            "edge1", str(self.root), "0.1.0", node_address="192.168.1.9", status_every=0.2, static_pods=str(self.root / "manifests")
        )
        module = EdgedModule(settings, self.switchboard, self.meta, self.engine)
        mailbox = self.switchboard.register(module.name, module.group)
        self.thread = threading.Thread(target=module.run, args=(mailbox,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.switchboard.close()
        if self.thread is not None:
            self.thread.join(10)
            assert not self.thread.is_alive()

    def forget_memory(self) -> None:
        """What pods keep in memory outlives edged, since they do."""
        memory = memory_root(instance_of(str(self.root)))
        if memory is not None:
            shutil.rmtree(memory, ignore_errors=True)

    def send(self, letter: object) -> None:
        assert self.switchboard.send("edged", letter)

    def apply(self, document: dict[str, Any]) -> None:
        """As MetaManager does: saved, then told."""
        key = f"default/pod/{document['metadata']['name']}"
        self.meta.pods_stored[key] = document
        self.send(PodChanged(key, document))

    def delete(self, name: str) -> None:
        self.meta.pods_stored.pop(f"default/pod/{name}", None)
        self.send(PodChanged(f"default/pod/{name}", None))

    def wait_phase(self, name: str, phase: str) -> dict[str, Any]:
        self.meta.wait_for(lambda: self.meta.last_status(name).get("phase") == phase)
        return self.meta.last_status(name)

    def wait(self, claim: Callable[[], Any]) -> Any:
        return self.meta.wait_for(claim)

    def running(self, name: str) -> list[Container]:
        return [c for c in self.runtime.everything() if c.name.startswith(f"k8s_{name}_") and c.state is State.RUNNING]

    def waiting_reason(self, pod: str) -> str:
        statuses = self.meta.last_status(pod).get("containerStatuses") or [{}]
        return str((statuses[0].get("state") or {}).get("waiting", {}).get("reason", ""))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path / "edged")
    made.start()
    yield made
    made.stop()
    made.forget_memory()
