"""What edged asks of a container engine, whatever it is. ``podman.py`` is one; the tests have another in memory.

Every method may raise EngineUnreachable, and EngineError where the engine refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from edgecore.containers.model import Container, ContainerSpec, Executed, Happening, Image, Sandbox, SandboxSpec
from edgecore.containers.progress import Fetched


class Runtime(Protocol):
    def version(self) -> str:
        """Of the engine, e.g. ``4.3.1``."""
        ...

    def containers(self, uid: str = "") -> list[Container]:
        """Everything with our label (promise A3), of one pod if ``uid`` is given; without the infra containers."""
        ...

    def sandboxes(self, uid: str = "") -> list[Sandbox]: ...

    def look(self, container: str) -> Container | None:
        """One container with address, exact times and reason of its end. None: there is none.

        Raises:
            ContainerLost: it is on the list and nowhere else.
        """
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

    def exec(self, container: str, command: Sequence[str], *, timeout: float) -> Executed:
        """Run ``command`` in a running container, without a shell, and wait for its end.

        Raises:
            ExecTimeout: it did not end within ``timeout`` seconds and was killed. EngineError: the container does not run.
        """
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

    def image_user(self, name: str) -> str:
        """Who its processes run as where the pod does not say: ``uid[:gid]``, a name, or empty for root."""
        ...

    def images(self) -> list[Image]:
        """Those on this node."""
        ...

    def remove_image(self, image: str) -> None:
        """By its id or name; by one of several names it loses that name. One that a container uses is refused; one that is gone is fine."""
        ...

    def load(self, archive: Path) -> list[str]:
        """The names of the images in a tar archive, which are on this node's disk now."""
        ...

    def is_whole(self, name: str) -> bool:
        """Whether the files of a local image are what came. Reads all of it; an image that is gone is not whole."""
        ...

    def memory(self) -> dict[str, int]:
        """Bytes of memory in use by pod uid, as far as the kernel counts them."""
        ...

    def volume(self, name: str) -> str:
        """The place on disk of the volume of that name, or empty."""
        ...

    def make_volume(self, name: str, labels: tuple[tuple[str, str], ...]) -> str:
        """Its place on disk. Nothing here ever removes a volume that has a name."""
        ...

    def pull(self, name: str, *, credentials: str, stall: float, heard: Callable[[Fetched], object]) -> Image:
        """Fetch ``name``; it is on the disk then. ``credentials``: the engine's X-Registry-Auth value, or empty. ``heard``: how far it is.

        Raises:
            ImagePullError: refused, unknown, or a layer stood still for ``stall`` seconds. Layers that have come stay.
        """
        ...

    def happenings(self) -> Iterator[Happening | None]:
        """What happens to our containers, as it happens; None first, when the stream is open. Ends when the engine goes away."""
        ...

    def close(self) -> None: ...
