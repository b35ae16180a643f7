"""What each volume of a pod must look like on disk, and where its mounts point. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecore.edged.errors import ConfigProblem, VolumeProblem
from edgecore.edged.expansion import expand
from edgecore.edged.fields import Surroundings, field_value, resource_value
from edgecore.edged.pod import PodPlan
from edgecore.edged.quantity import whole
from edgecore.edged.sources import (
    CONFIGMAP,
    SECRET,
    Documents,
    Source,
    TokenFound,
    TokenWish,
    content,
    is_api_access,
    token_wish,
    volume_sources,
)

_CLAIM = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
DEFAULT_MODE = 0o644
_TOKEN_MODE = 0o600
NO_TOKENS: Mapping[TokenWish, TokenFound] = {}


@dataclass(frozen=True, slots=True)
class File:
    """``owner``: the user whose file it is, None: root's."""

    data: bytes
    mode: int
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """Written by us, swapped as a whole. ``in_memory``: never on flash where that can be avoided."""

    name: str
    files: dict[str, File]
    in_memory: bool = False
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Empty:
    """A directory that lives as long as the pod."""

    name: str
    in_memory: bool = False
    group: int | None = None
    size: int | None = None
    """Bytes that it may hold."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Storage that outlives the pod: a volume that the engine keeps under the claim's name."""

    name: str
    claim: str
    read_only: bool = False
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """A path of the node, of the ``kind`` that hostPath.type asks for."""

    name: str
    path: str
    kind: str


DEVICES = ("CharDevice", "BlockDevice")
"""Kinds of hostPath that a container gets as devices, with the right to use them."""

Volume = Files | Empty | Claim | Host


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """``sub_path`` lies inside the volume and is made where it is missing."""

    volume: str
    target: str
    sub_path: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """What volumes are filled from."""

    plan: PodPlan
    documents: Documents
    around: Surroundings
    tokens: Mapping[TokenWish, TokenFound]


def volumes_of(
    plan: PodPlan, documents: Documents, around: Surroundings, tokens: Mapping[TokenWish, TokenFound] = NO_TOKENS
) -> list[Volume]:
    """Raises:
    VolumeProblem: a kind that a board does not have, an object or token that is missing, a path that leaves its volume.
    """
    known = _Known(plan, documents, around, tokens)
    return [_volume(entry, known) for entry in plan.spec.get("volumes") or []]


def mounts_of(container: dict[str, Any], plan: PodPlan, variables: dict[str, str]) -> list[VolumeMount]:
    """Raises:
    VolumeProblem: an unknown volume, a path that is not absolute or leaves its volume.
    """
    known = {str(entry.get("name")) for entry in plan.spec.get("volumes") or []}
    mounts = []
    for entry in container.get("volumeMounts") or []:
        volume, target = str(entry.get("name", "")), str(entry.get("mountPath", ""))
        if volume not in known:
            raise VolumeProblem(f'volumeMounts: no volume is named "{volume}"')
        if not target.startswith("/") or ".." in target.split("/"):
            raise VolumeProblem(f"volumeMounts: mountPath {target!r}: expected an absolute path without '..'")
        sub_path = str(entry.get("subPath") or "") or expand(str(entry.get("subPathExpr") or ""), variables)
        mounts.append(VolumeMount(volume, target, inner_path(sub_path) if sub_path else "", bool(entry.get("readOnly"))))
    return mounts


def inner_path(path: str) -> str:
    """Raises:
    VolumeProblem: absolute, empty, or with a ``..``.
    """
    if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path or path.split("/")[0].startswith(".."):
        raise VolumeProblem(f"path {path!r}: expected a relative path without '..'")
    return posixpath.normpath(path)


def _volume(entry: dict[str, Any], known: _Known) -> Volume:
    name = str(entry.get("name", ""))
    if "/" in name or name.startswith(".") or not name:
        raise VolumeProblem(f"volume {name!r}: the name is not usable")
    group = (known.plan.spec.get("securityContext") or {}).get("fsGroup")
    if (empty := entry.get("emptyDir")) is not None:
        return Empty(name, in_memory=empty.get("medium") == "Memory", group=group, size=_size(empty, name))
    if (claim := entry.get("persistentVolumeClaim")) is not None:
        if not _CLAIM.match(str(claim.get("claimName", ""))):
            raise VolumeProblem(f"volume {name}: persistentVolumeClaim.claimName: expected the name of a claim")
        return Claim(name, str(claim["claimName"]), bool(claim.get("readOnly")), group)
    if (host := entry.get("hostPath")) is not None:
        path = str(host.get("path", ""))
        if not path.startswith("/") or ".." in path.split("/"):
            raise VolumeProblem(f"volume {name}: hostPath {path!r}: expected an absolute path without '..'")
        return Host(name, path, str(host.get("type") or ""))
    if not any(entry.get(kind) is not None for kind in ("configMap", "secret", "downwardAPI", "projected")):
        kinds = ", ".join(sorted(key for key in entry if key != "name")) or "none"
        raise VolumeProblem(f"volume {name}: kind {kinds} is not supported on this node")
    return _files(name, entry, known, group)


def _size(empty: dict[str, Any], name: str) -> int | None:
    try:
        return whole(empty["sizeLimit"]) if empty.get("sizeLimit") else None
    except ValueError as exc:
        raise VolumeProblem(f"volume {name}: emptyDir.sizeLimit: {exc}") from exc


def _files(name: str, entry: dict[str, Any], known: _Known, group: int | None) -> Files:
    parts = volume_sources(entry)
    whole: dict[str, Any] = next(
        (entry[kind] for kind in ("configMap", "secret", "downwardAPI", "projected") if entry.get(kind) is not None), {}
    )
    mode = int(whole.get("defaultMode") or DEFAULT_MODE)
    files: dict[str, File] = {}
    try:
        for part in parts:
            files |= _part(part, mode, known, group, lenient=is_api_access(entry))
    except ConfigProblem as exc:
        raise VolumeProblem(f'MountVolume.SetUp failed for volume "{name}" : {exc}') from exc
    return Files(name, files, in_memory=any(part.get("secret") or part.get("serviceAccountToken") for part in parts), group=group)


def _part(part: dict[str, Any], mode: int, known: _Known, group: int | None, *, lenient: bool) -> dict[str, File]:
    """``lenient``: what is missing is left out."""
    for field, kind in (("configMap", CONFIGMAP), ("secret", SECRET)):
        if ref := part.get(field):
            optional = bool(ref.get("optional")) or lenient
            values = content(known.documents, Source(kind, str(ref.get("name"))), known.plan.namespace, optional=optional)
            return _chosen(values, ref.get("items"), mode, optional=optional)
    if source := part.get("serviceAccountToken"):
        return _token(source, mode, known, group, lenient=lenient)
    files = {}
    for item in (part.get("downwardAPI") or {}).get("items") or []:
        text = _downward(item, known.plan, known.around)
        files[inner_path(str(item.get("path", "")))] = File(text.encode(), int(item.get("mode") or mode))
    return files


def _token(source: dict[str, Any], mode: int, known: _Known, group: int | None, *, lenient: bool) -> dict[str, File]:
    """As a kubelet does: for the pod's user or group alone where it has one."""
    path = inner_path(str(source.get("path", "")))
    found = known.tokens.get(token_wish(source), TokenFound(problem="it was not asked for"))
    if not found.text:
        if lenient:
            return {}
        raise ConfigProblem(f"failed to fetch token: {found.problem}")
    owner = _one_user(known.plan)
    return {path: File(found.text.encode(), mode if owner is None and group is None else _TOKEN_MODE, owner)}


def _one_user(plan: PodPlan) -> int | None:
    """The user of every container of the pod, None where they are not all the same or nobody says."""
    general = (plan.spec.get("securityContext") or {}).get("runAsUser")
    users = {(wanted.document.get("securityContext") or {}).get("runAsUser", general) for wanted in plan.wanted}
    user = users.pop() if len(users) == 1 else None
    return user if isinstance(user, int) else None


def _chosen(values: dict[str, bytes], items: Any, mode: int, *, optional: bool) -> dict[str, File]:
    if not items:
        return {inner_path(key): File(data, mode) for key, data in values.items()}
    files = {}
    for item in items:
        key = str(item.get("key"))
        if key not in values:
            if optional:
                continue
            raise ConfigProblem(f"references non-existent config key: {key}")
        files[inner_path(str(item.get("path", "")))] = File(values[key], int(item.get("mode") or mode))
    return files


def _downward(item: dict[str, Any], plan: PodPlan, around: Surroundings) -> str:
    if ref := item.get("fieldRef"):
        return field_value(str(ref.get("fieldPath")), plan, around)
    return resource_value(item.get("resourceFieldRef") or {}, {}, plan, around)
