"""Our values to the bodies of Podman's libpod API (4.x and 5.x) and its answers to our values. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from edgecore.containers.labels import MANAGED, POD_UID
from edgecore.containers.model import Container, ContainerSpec, Happening, Image, MountKind, Network, Sandbox, SandboxSpec, State

LOG_BYTES = 10 * 1024 * 1024
"""A container's log file is cut at this size: flash is small."""

DEFAULT_NETWORK = "podman"
_STATES = {"running": State.RUNNING, "paused": State.RUNNING, "stopping": State.RUNNING, "exited": State.ENDED, "stopped": State.ENDED}


def container_body(spec: ContainerSpec) -> dict[str, Any]:
    """A SpecGenerator for ``POST containers/create``."""
    body: dict[str, Any] = {
        "name": spec.name,
        "image": spec.image,
        "labels": dict(spec.labels),
        "env": dict(spec.environment),
        "mounts": [
            {"type": "bind", "source": m.source, "destination": m.target, "options": ["rbind", "ro" if m.read_only else "rw"]}
            for m in spec.mounts
            if m.kind is MountKind.BIND
        ],
        "volumes": [
            {"Name": m.source, "Dest": m.target, "Options": ["nocopy", "ro" if m.read_only else "rw"]}
            for m in spec.mounts
            if m.kind is MountKind.VOLUME
        ],
        "devices": [{"path": f"{m.source}:{m.target}:{'r' if m.read_only else 'rwm'}"} for m in spec.mounts if m.kind is MountKind.DEVICE],
        "log_configuration": {"driver": "k8s-file", "size": LOG_BYTES},
        "restart_policy": "no",
        "terminal": spec.terminal,
        "stdin": spec.stdin,
        **_security(spec),
    }
    if spec.entrypoint is not None:
        body["entrypoint"] = list(spec.entrypoint)
    if spec.arguments is not None:
        body["command"] = list(spec.arguments)
    if spec.work_dir:
        body["work_dir"] = spec.work_dir
    if limits := _limits(spec):
        body["resource_limits"] = limits
    if spec.host_pid:
        body["pidns"] = {"nsmode": "host"}
    if spec.host_ipc:
        body["ipcns"] = {"nsmode": "host"}
    if spec.network is None:
        body["pod"] = spec.sandbox
    else:
        body |= _network(spec.network)
    return body


def exec_body(command: Sequence[str], *, terminal: bool = False, stdin: bool = False) -> dict[str, Any]:
    """For ``POST containers/<id>/exec``."""
    return {"Cmd": list(command), "AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True, "Tty": terminal}


def reason(body: dict[str, Any]) -> str:
    """Why a request was refused, empty where that is not said. A pod tells of each of its containers, all else of one cause."""
    each = body.get("Errs") or []
    return str(body.get("message") or body.get("cause") or "; ".join(map(str, each)))


def frame_length(header: bytes) -> int:
    """The number of bytes that follow the 8 bytes before each piece of output of a command without a terminal."""
    return int.from_bytes(header[4:8], "big")


def sandbox_body(spec: SandboxSpec) -> dict[str, Any]:
    """A PodSpecGenerator for ``POST pods/create``."""
    shared = ["net", "uts", "ipc", *(["pid"] if spec.share_pid else [])]
    return {"name": spec.name, "labels": dict(spec.labels), "shared_namespaces": shared, **_network(spec.network)}


def _network(network: Network) -> dict[str, Any]:
    body: dict[str, Any] = {"netns": {"nsmode": "host" if network.host else "bridge"}}
    if network.hostname and not network.host:
        body["hostname"] = network.hostname
    if network.hosts:
        body["hostadd"] = [f"{name}:{address}" for name, address in network.hosts]
    if network.dns_servers:
        body["dns_server"] = list(network.dns_servers)
    if network.dns_searches:
        body["dns_search"] = list(network.dns_searches)
    if network.dns_options:
        body["dns_option"] = list(network.dns_options)
    if network.host:
        return body
    if network.ports:
        body["portmappings"] = [
            {"container_port": p.container_port, "host_port": p.host_port, "host_ip": p.host_ip, "protocol": p.protocol}
            for p in network.ports
        ]
    if network.address:
        body["networks"] = {DEFAULT_NETWORK: {"static_ips": [network.address]}}
    return body


def _security(spec: ContainerSpec) -> dict[str, Any]:
    rights = spec.security
    body: dict[str, Any] = {"privileged": rights.privileged, "read_only_filesystem": rights.read_only_root}
    if rights.user:
        body["user"] = rights.user
    if rights.groups:
        body["groups"] = list(rights.groups)
    if rights.add_capabilities:
        body["cap_add"] = list(rights.add_capabilities)
    if rights.drop_capabilities:
        body["cap_drop"] = list(rights.drop_capabilities)
    if rights.no_new_privileges:
        body["no_new_privileges"] = True
    if rights.seccomp:
        body["seccomp_profile_path"] = rights.seccomp
    return body


def _limits(spec: ContainerSpec) -> dict[str, Any]:
    wanted = spec.resources
    cpu: dict[str, int] = {}
    if wanted.cpu_shares is not None:
        cpu["shares"] = wanted.cpu_shares
    if wanted.cpu_quota is not None:
        cpu |= {"quota": wanted.cpu_quota, "period": 100_000}
    limits: dict[str, Any] = {"cpu": cpu} if cpu else {}
    if wanted.memory_limit is not None:
        limits["memory"] = {"limit": wanted.memory_limit}
    return limits


def container_from_list(entry: dict[str, Any]) -> Container:
    """An element of ``GET containers/json``: whole seconds, no address."""
    return Container(
        id=str(entry["Id"]),
        name=str((entry.get("Names") or [""])[0]),
        image=str(entry.get("Image", "")),
        image_id=str(entry.get("ImageID", "")),
        state=_STATES.get(str(entry.get("State", "")), State.CREATED),
        labels=dict(entry.get("Labels") or {}),
        created=epoch(entry.get("Created")),
        started=epoch(entry.get("StartedAt")),
        finished=epoch(entry.get("ExitedAt")),
        exit_code=int(entry.get("ExitCode") or 0),
        pid=int(entry.get("Pid") or 0),
    )


def container_from_inspect(body: dict[str, Any]) -> Container:
    """The answer of ``GET containers/<id>/json``."""
    state, config = body.get("State") or {}, body.get("Config") or {}
    return Container(
        id=str(body["Id"]),
        name=str(body.get("Name", "")),
        image=str(body.get("ImageName", "")),
        image_id=str(body.get("Image", "")),
        state=_STATES.get(str(state.get("Status", "")), State.CREATED),
        labels=dict(config.get("Labels") or {}),
        created=epoch(body.get("Created")),
        started=epoch(state.get("StartedAt")),
        finished=epoch(state.get("FinishedAt")),
        exit_code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        address=address_from_inspect(body),
        pid=int(state.get("Pid") or 0),
    )


def holder_of_name(reason: str) -> str:
    """The id in a refusal because of a name that the storage knows, else empty."""
    found = re.search(r"creating container storage: .* is already in use by \"?([0-9a-f]{64})", reason)
    return found[1] if found else ""


def version_from_ping(headers: Mapping[str, str]) -> str:
    """``Server: Libpod/5.4.2 (linux)``.

    Raises:
        KeyError, ValueError: it is no Podman.
    """
    name, _, version = headers["Server"].partition("/")
    if name != "Libpod" or not version:
        raise ValueError(f"{headers['Server']!r} is no Podman")
    return version.partition(" ")[0]


def image_from_list(entry: dict[str, Any]) -> Image:
    """An element of ``GET images/json``."""
    names = [*(entry.get("RepoTags") or []), *(entry.get("RepoDigests") or [])]
    return Image(str(entry["Id"]), tuple(map(str, names)), int(entry.get("Size") or 0), epoch(entry.get("Created")))


def address_from_inspect(body: dict[str, Any]) -> str:
    settings = body.get("NetworkSettings") or {}
    networks = (settings.get("Networks") or {}).values()
    found = [settings.get("IPAddress"), *(network.get("IPAddress") for network in networks if network)]
    return next((str(address) for address in found if address), "")


def sandbox_from_list(entry: dict[str, Any]) -> Sandbox:
    """An element of ``GET pods/json``. A pod whose infra container runs is ready, whatever its other containers do."""
    infra = entry.get("InfraId")
    ready = any(c.get("Id") == infra and c.get("Status") == "running" for c in entry.get("Containers") or [])
    return Sandbox(id=str(entry["Id"]), name=str(entry.get("Name", "")), ready=ready, labels=dict(entry.get("Labels") or {}))


def happening_from_event(event: dict[str, Any]) -> Happening | None:
    """A line of ``GET events``; None for what is not about one of our containers."""
    actor = event.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    if event.get("Type") != "container" or attributes.get(MANAGED) != "true":
        return None
    return Happening(str(actor.get("ID", "")), str(event.get("Action", "")), attributes)


def label_filter(uid: str) -> dict[str, list[str]]:
    return {"label": [f"{MANAGED}=true", *([f"{POD_UID}={uid}"] if uid else [])]}


def epoch(value: Any) -> float:
    """Podman's times (RFC 3339 with up to nanoseconds, or epoch seconds) as epoch seconds; the zero time of Go is 0."""
    if isinstance(value, int | float):
        return max(0.0, float(value))
    if not value:
        return 0.0
    text = str(value)
    head, dot, rest = text.partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        text = f"{head}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp())
