"""A container engine in memory with the promises of ``edgecore.containers.runtime.Runtime``. Tests make things happen in it."""

from __future__ import annotations

import itertools
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgecore.containers import labels
from edgecore.containers.model import Container, ContainerSpec, Executed, Happening, Image, Sandbox, SandboxSpec, State
from edgecore.containers.progress import Fetched
from edgecore.errors import ContainerLost, EngineError, EngineUnreachable, ImageMissing, ImagePullError


@dataclass
class FakeRuntime:
    """``local`` images are here, those in ``registry`` can be pulled, the ones in ``slow`` when their event is set. ``clock``: epoch s.

    ``locked``: images to the credentials that open them; ``spoilt``: that have files which a power cut emptied, until they are removed.
    ``unreadable``: ids of containers of that kind. ``commands`` says what an exec comes to.
    """

    local: set[str] = field(default_factory=lambda: {"localhost/web:1"})
    registry: set[str] = field(default_factory=set)
    locked: dict[str, str] = field(default_factory=dict)
    slow: dict[str, threading.Event] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    spoilt: set[str] = field(default_factory=set)
    breaks_after_a_layer: set[str] = field(default_factory=set)
    refuses_to_end: set[str] = field(default_factory=set)
    clock: Callable[[], float] = time.time
    down: bool = False
    refuse_start: str = ""
    users: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    specs: dict[str, ContainerSpec] = field(default_factory=dict)
    pulls: list[str] = field(default_factory=list)
    commands: Callable[[tuple[str, ...]], Executed] = lambda command: Executed(0, b"")
    executed: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._containers: dict[str, Container] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._addresses = itertools.count(2)
        self._ids = itertools.count(1)
        self._listeners: list[queue.Queue[Happening | None]] = []
        self._lock = threading.RLock()

    def version(self) -> str:
        self._check()
        return "4.3.1"

    def containers(self, uid: str = "") -> list[Container]:
        self._check()
        ours = [c for c in list(self._containers.values()) if c.label(labels.MANAGED) == "true"]
        return [replace(c, address="") for c in ours if not uid or c.label(labels.POD_UID) == uid]

    def sandboxes(self, uid: str = "") -> list[Sandbox]:
        self._check()
        return [s for s in list(self._sandboxes.values()) if not uid or s.labels.get(labels.POD_UID) == uid]

    def look(self, container: str) -> Container | None:
        self._check()
        found = self._containers.get(container)
        if found is not None and found.name in self.lost:
            raise ContainerLost(f"container {container[:12]}: container not known")
        if container in self.unreadable:
            raise EngineError(f"GET /containers/{container}/json: getting graph driver info: invalid argument")
        return found

    def create(self, spec: ContainerSpec) -> str:
        self._check()
        with self._lock:
            if spec.image not in self.local:
                raise ImageMissing(spec.image)
            if any(c.name == spec.name for c in self._containers.values()):
                raise EngineError(f"create {spec.name}: that name is already in use")
            if spec.network is None and spec.sandbox not in self._sandboxes:
                raise EngineError(f"create {spec.name}: no such pod")
            id_ = f"{next(self._ids):064x}"
            self.specs[id_] = spec
            image = f"sha-{spec.image}"
            self._containers[id_] = Container(id_, spec.name, spec.image, image, State.CREATED, dict(spec.labels), created=self.clock())
            return id_

    def create_sandbox(self, spec: SandboxSpec) -> str:
        self._check()
        with self._lock:
            id_ = f"pod{next(self._ids)}"
            self._sandboxes[id_] = Sandbox(id_, spec.name, True, dict(spec.labels))
            return id_

    def sandbox_address(self, sandbox: str) -> str:
        return f"10.99.0.{abs(hash(sandbox)) % 200 + 2}"

    def start(self, container: str) -> None:
        self._check()
        if self.refuse_start:
            raise EngineError(self.refuse_start)
        with self._lock:
            spec = self.specs[container]
            address = self.sandbox_address(spec.sandbox) if spec.network is None else "" if spec.network.host else self._address(spec)
            self._change(container, state=State.RUNNING, started=self.clock(), address=address)
        word, _, code = (spec.entrypoint or ("",))[-1].partition(" ")
        if word == "exit":
            self.end(container, int(code))

    def stop(self, container: str, grace: float) -> None:
        self._check()
        found = self._containers.get(container)
        if found is None or found.state is not State.RUNNING:
            return
        if found.label(labels.CONTAINER) in self.refuses_to_end:
            time.sleep(min(grace, 5.0))
            self.end(container, 137)
        else:
            self.end(container, 143)

    def exec(self, container: str, command: Sequence[str], *, timeout: float) -> Executed:
        self._check()
        found = self._containers.get(container)
        if found is None or found.state is not State.RUNNING:
            raise EngineError(f"exec in {container[:12]}: the container does not run")
        self.executed.append((found.label(labels.CONTAINER), tuple(command)))
        return self.commands(tuple(command))

    def remove(self, container: str) -> None:
        self._check()
        with self._lock:
            gone = self._containers.pop(container, None)
        if gone is not None:
            self.removed.append(gone.name)
            self._tell(gone, "remove")

    def remove_sandbox(self, sandbox: str) -> None:
        self._check()
        with self._lock:
            self._sandboxes.pop(sandbox, None)
            inside = [id_ for id_, spec in self.specs.items() if spec.sandbox == sandbox]
        for id_ in inside:
            self.remove(id_)

    def image(self, name: str) -> str:
        self._check()
        return f"sha-{name}" if name in self.local else ""

    def image_user(self, name: str) -> str:
        self._check()
        return self.users.get(name, "")

    def images(self) -> list[Image]:
        self._check()
        return [Image(f"sha-{name}", (name,), self.sizes.get(name, 1)) for name in sorted(self.local)]

    def remove_image(self, image: str) -> None:
        self._check()
        self.local.discard(image.removeprefix("sha-"))
        self.spoilt.discard(image.removeprefix("sha-"))

    def load(self, archive: Path) -> list[str]:
        self._check()
        names = archive.read_text().split()
        if not names:
            raise EngineError("load: no archive")
        self.local |= set(names)
        return names

    def is_whole(self, name: str) -> bool:
        self._check()
        return name in self.local and name not in self.spoilt

    def memory(self) -> dict[str, int]:
        self._check()
        return dict(self.used)

    def volume(self, name: str) -> str:
        self._check()
        return self.volumes.get(name, "")

    def make_volume(self, name: str, labels: tuple[tuple[str, str], ...]) -> str:
        self._check()
        place = self.volumes[name] = tempfile.mkdtemp(prefix="volume-")
        return place

    def pull(self, name: str, *, credentials: str, stall: float, heard: Callable[[Fetched], object]) -> Image:
        """A layer of 100 bytes, half of which comes before a slow one goes on."""
        self.pulls.append(name)
        if name in self.locked and credentials != self.locked[name]:
            raise ImagePullError(name, "unauthorized")
        heard(Fetched(50, 100))
        if name in self.slow:
            self.slow[name].wait(stall)
        if name in self.breaks_after_a_layer:
            heard(Fetched(100, 200, 1))
            raise ImagePullError(name, "unexpected EOF")
        if name not in self.registry:
            raise ImagePullError(name, "manifest unknown")
        heard(Fetched(100, 100, 1))
        self.local.add(name)
        return Image(f"sha-{name}", (name,), self.sizes.get(name, 1))

    def happenings(self) -> Iterator[Happening | None]:
        self._check()
        mine: queue.Queue[Happening | None] = queue.Queue()
        self._listeners.append(mine)
        yield None
        while not self.down:
            try:
                yield mine.get(timeout=0.05)
            except queue.Empty:
                continue

    def close(self) -> None:
        self.down = True

    def end(self, container: str, exit_code: int, *, oom_killed: bool = False) -> None:
        """The container's process ends by itself."""
        self._change(container, state=State.ENDED, finished=self.clock(), exit_code=exit_code, oom_killed=oom_killed, address="")
        self._tell(self._containers[container], "died")

    def add(self, container: Container) -> None:
        """A container that somebody else made."""
        self._containers[container.id] = container

    def everything(self) -> list[Container]:
        return list(self._containers.values())

    def named(self, name: str) -> Container | None:
        """The newest of its name."""
        return max((c for c in self.everything() if c.label(labels.CONTAINER) == name), key=lambda c: c.id, default=None)

    def lose_sandboxes(self) -> None:
        """As after a reboot."""
        self._sandboxes = {id_: replace(s, ready=False) for id_, s in self._sandboxes.items()}

    def _address(self, spec: ContainerSpec) -> str:
        wanted = spec.network.address if spec.network else ""
        return wanted or f"10.88.0.{next(self._addresses)}"

    def _change(self, container: str, **changes: object) -> None:
        with self._lock:
            self._containers[container] = replace(self._containers[container], **changes)  # type: ignore[arg-type]

    def _tell(self, container: Container, action: str) -> None:
        for listener in self._listeners:
            listener.put(Happening(container.id, action, container.labels))

    def _check(self) -> None:
        if self.down:
            raise EngineUnreachable("the fake engine is down")


class FakeEngine:
    """The ``EnginePort`` around one FakeRuntime."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._runtime = runtime
        self.missing: dict[str, str] = {}
        self.stopped = False

    def runtime(self) -> FakeRuntime:
        self._runtime._check()
        return self._runtime

    def stop(self) -> None:
        self.stopped = True
