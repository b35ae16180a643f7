"""What a container engine is asked for and what it is seen to hold. Frozen values; times are epoch seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a container is in its life."""

    CREATED = "created"
    RUNNING = "running"
    ENDED = "ended"


class MountKind(StrEnum):
    BIND = "bind"
    VOLUME = "volume"
    """A volume that the engine keeps by its name."""
    DEVICE = "device"
    """A device node, with the right to use it."""


@dataclass(frozen=True, slots=True)
class Mount:
    """What is seen at ``target`` in the container: a file, directory or device of the host at ``source``, or the volume of that name."""

    source: str
    target: str
    read_only: bool = False
    kind: MountKind = MountKind.BIND


@dataclass(frozen=True, slots=True)
class PortMapping:
    """``container_port`` published on the host. ``host_ip`` empty: on every address."""

    container_port: int
    host_port: int
    host_ip: str = ""
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class Resources:
    """What the cgroup is told. None: nothing. ``cpu_quota`` is microseconds of CPU in each 100,000."""

    cpu_shares: int | None = None
    cpu_quota: int | None = None
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """Who owns a network stack says what it is like: a sandbox, or a container that is alone in its pod."""

    host: bool = False
    hostname: str = ""
    ports: tuple[PortMapping, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    """Lines for /etc/hosts: (name, address)."""
    dns_servers: tuple[str, ...] = ()
    dns_searches: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    address: str = ""
    """The address to have again, where it is still free."""


@dataclass(frozen=True, slots=True)
class Security:
    """Rights of the container's processes. ``user`` is ``uid[:gid]`` or empty: as the image says."""

    user: str = ""
    groups: tuple[str, ...] = ()
    privileged: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    read_only_root: bool = False
    no_new_privileges: bool = False
    seccomp: str = ""
    """Path of a profile, ``unconfined``, or empty: the engine's own."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to make. ``network`` is set where it has its own, ``sandbox`` (an id) where it joins one; exactly one of the two.

    ``entrypoint`` and ``arguments`` None: as the image says.
    """

    name: str
    image: str
    labels: tuple[tuple[str, str], ...]
    entrypoint: tuple[str, ...] | None = None
    arguments: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    work_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    resources: Resources = Resources()
    security: Security = Security()
    terminal: bool = False
    stdin: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    network: Network | None = None
    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """The network stack that the containers of one pod share, held open by the engine."""

    name: str
    labels: tuple[tuple[str, str], ...]
    network: Network
    share_pid: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine tells it. ``address``, ``pid`` and ``oom_killed`` are only known after ``Runtime.look``."""

    id: str
    name: str
    image: str
    image_id: str
    state: State
    labels: dict[str, str]
    created: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    exit_code: int = 0
    oom_killed: bool = False
    address: str = ""
    pid: int = 0
    """Of its first process, as the host counts them; 0 while it does not run."""

    def label(self, key: str) -> str:
        return self.labels.get(key, "")


@dataclass(frozen=True, slots=True)
class Image:
    """An image on this node. ``names`` with tag or digest, none where another image took its name."""

    id: str
    names: tuple[str, ...]
    size: int
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Executed:
    """What a command in a container came to. ``output``: what it printed, both streams together, its beginning only."""

    exit_code: int
    output: bytes


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox as the engine tells it. ``ready``: its network stack is up."""

    id: str
    name: str
    ready: bool
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Happening:
    """From the engine's event stream: something happened to a container with our label."""

    container: str
    action: str
    labels: dict[str, str]
