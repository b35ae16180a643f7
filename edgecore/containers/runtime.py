"""What edged asks of a container engine, whatever it is. ``podman.py`` is one; the tests have another in memory.

Every method may raise EngineUnreachable, and EngineError where the engine refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edgecore.containers.model import Container, ContainerSpec, Happening, Sandbox, SandboxSpec


class Runtime(Protocol):
    def version(self) -> str:
        """Of the engine, e.g. ``4.3.1``."""
        ...

    def containers(self, uid: str = "") -> list[Container]:
        """Everything with our label (promise A3), of one pod if ``uid`` is given; without the infra containers."""
        ...

    def sandboxes(self, uid: str = "") -> list[Sandbox]: ...

    def look(self, container: str) -> Container | None:
        """One container with address, exact times and reason of its end. None: there is none."""
        ...

    def create(self, spec: ContainerSpec) -> str:
        """The new container's id; it does not run yet.

        Raises:
            ImageMissing: the image is not (any more) on this node.
        """
        ...

    def create_sandbox(self, spec: SandboxSpec) -> str:
        """The id of a new sandbox whose network stack is up."""
        ...

    def sandbox_address(self, sandbox: str) -> str: ...

    def start(self, container: str) -> None: ...

    def stop(self, container: str, grace: float) -> None:
        """Ask it to end, kill it after ``grace`` seconds, return when it has ended. One that has ended or is gone is fine."""
        ...

    def remove(self, container: str) -> None:
        """With its writable layer and anonymous volumes. One that is gone is fine."""
        ...

    def remove_sandbox(self, sandbox: str) -> None:
        """With every container in it. One that is gone is fine."""
        ...

    def image(self, name: str) -> str:
        """The id of a local image, or empty."""
        ...

    def pull(self, name: str, *, credentials: str, timeout: float) -> str:
        """Fetch ``name`` and return its id. ``credentials``: the engine's X-Registry-Auth value, or empty.

        Raises:
            ImagePullError: refused, unknown, or not done within ``timeout`` seconds.
        """
        ...

    def happenings(self) -> Iterator[Happening | None]:
        """What happens to our containers, as it happens; None first, when the stream is open. Ends when the engine goes away."""
        ...

    def close(self) -> None: ...
