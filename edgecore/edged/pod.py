"""A Pod document read once into what edged decides on. Pure; shapes of core/v1 Pod."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

DEFAULT_GRACE = 30.0
_HASHED = (
    *("name", "image", "command", "args", "workingDir", "env", "envFrom", "ports", "resources", "volumeMounts", "securityContext"),
    *("tty", "stdin"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One container that the pod asks for. ``hash`` tells whether a container that is there is this one (promise A2).

    ``sidecar``: an init container that goes on running beside the others (``restartPolicy: Always``).
    """

    name: str
    image: str
    pull_policy: str
    hash: str
    init: bool
    sidecar: bool
    document: dict[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class PodPlan:
    """What a pod wants. ``shared``: its containers share a network stack held by a sandbox; else its one container has its own."""

    uid: str
    namespace: str
    name: str
    containers: tuple[Wanted, ...]
    inits: tuple[Wanted, ...]
    restart_policy: str
    grace: float
    deleting: bool
    host_network: bool
    shared: bool
    document: dict[str, Any] = field(repr=False, compare=False)

    @property
    def spec(self) -> dict[str, Any]:
        return _mapping(self.document.get("spec"))

    @property
    def metadata(self) -> dict[str, Any]:
        return _mapping(self.document.get("metadata"))

    @property
    def status(self) -> dict[str, Any]:
        """The status as the store last had it; may be old or empty."""
        return _mapping(self.document.get("status"))

    def statuses(self, *, init: bool) -> list[dict[str, Any]]:
        """Of that status those of the containers, or of the init containers."""
        found = self.status.get("initContainerStatuses" if init else "containerStatuses")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def with_status(self, status: dict[str, Any]) -> PodPlan:
        return replace(self, document={**self.document, "status": status})

    @property
    def over(self) -> bool:
        """Whether that status is the last one: a pod that has ended stays so."""
        return self.status.get("phase") in ("Succeeded", "Failed")

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        return (*self.inits, *self.containers)

    @property
    def account(self) -> str:
        """The pod's service account."""
        return str(self.spec.get("serviceAccountName") or self.spec.get("serviceAccount") or "default")

    @property
    def hostname(self) -> str:
        return str(self.spec.get("hostname") or self.name)[:63].rstrip("-.")


def read_pod(document: dict[str, Any]) -> PodPlan:
    """Raises:
    ValueError: the document lacks what every pod has; the text names the field.
    """
    metadata, spec = _mapping(document.get("metadata")), _mapping(document.get("spec"))
    for key in ("uid", "namespace", "name"):
        if not isinstance(metadata.get(key), str) or not metadata[key]:
            raise ValueError(f"metadata.{key}: expected text")
    host_network = bool(spec.get("hostNetwork"))
    inits, containers = _containers(spec, "initContainers"), _containers(spec, "containers")
    if not containers:
        raise ValueError("spec.containers: expected at least one container")
    deleting = bool(metadata.get("deletionTimestamp"))
    grace = metadata.get("deletionGracePeriodSeconds") if deleting else None
    if not isinstance(grace, int | float):
        grace = spec.get("terminationGracePeriodSeconds")
    several = len(inits) + len(containers) > 1
    return PodPlan(
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        containers=containers,
        inits=inits,
        restart_policy=str(spec.get("restartPolicy") or "Always"),
        grace=float(grace) if isinstance(grace, int | float) else DEFAULT_GRACE,
        deleting=deleting,
        host_network=host_network,
        shared=not host_network and (several or _asks_for_its_address(spec) or bool(spec.get("shareProcessNamespace"))),
        document=document,
    )


def started_at(document: dict[str, Any]) -> float:
    """``status.startTime`` as epoch seconds, 0 where there is none."""
    return parse_time(_mapping(document.get("status")).get("startTime"))


def parse_time(value: object) -> float:
    """RFC 3339 text as epoch seconds, 0 where it is none."""
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _containers(spec: dict[str, Any], key: str) -> tuple[Wanted, ...]:
    wanted = []
    for index, document in enumerate(spec.get(key) or []):
        if not isinstance(document, dict) or not document.get("name") or not document.get("image"):
            raise ValueError(f"spec.{key}[{index}]: expected a container with name and image")
        wanted.append(
            Wanted(
                name=str(document["name"]),
                image=str(document["image"]),
                pull_policy=str(document.get("imagePullPolicy") or ""),
                hash=_hash(document, spec),
                init=key == "initContainers",
                sidecar=key == "initContainers" and document.get("restartPolicy") == "Always",
                document=document,
            )
        )
    return tuple(wanted)


def _hash(document: dict[str, Any], spec: dict[str, Any]) -> str:
    """Of what was asked for, not of what it resolved to: like in Kubernetes a changed ConfigMap reaches the environment at the next start.

    Empty values count as absent, so a cloud that spells out defaults differently restarts nothing.
    """
    asked = {key: document[key] for key in _HASHED if document.get(key)}
    pod = {key: spec[key] for key in ("hostNetwork", "hostname", "hostPID", "hostIPC") if spec.get(key)}
    text = json.dumps([_without_defaults(asked), pod], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_defaults(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_defaults(item) for key, item in value.items() if not (key == "protocol" and item == "TCP")}
        return {key: item for key, item in kept.items() if item not in (None, "", {}, [], False)}
    return [_without_defaults(item) for item in value] if isinstance(value, list) else value


def _asks_for_its_address(spec: dict[str, Any]) -> bool:
    """Whether an env variable names the pod's address, which must then be known before the container is made."""
    paths = {
        _mapping(_mapping(_mapping(entry).get("valueFrom")).get("fieldRef")).get("fieldPath")
        for container in spec.get("containers") or []
        for entry in (container.get("env") or [] if isinstance(container, dict) else [])
    }
    return bool(paths & {"status.podIP", "status.podIPs"})


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
