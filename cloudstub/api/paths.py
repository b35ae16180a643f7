"""What a URL path means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """A path under ``/api/v1`` or ``/apis/<group>/<version>``. ``namespace`` is empty where the path names none."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse(path: str) -> ResourcePath | None:
    """The resource that a path names; None for every other path."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        return _resource("", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) > 3:
        return _resource(parts[1], parts[2], parts[3:])
    return None


def _resource(group: str, version: str, rest: list[str]) -> ResourcePath | None:
    if not all(rest):
        return None
    if rest[0] == "namespaces" and len(rest) > 2 and not _is_namespace_subresource(group, rest):
        namespace, rest = rest[1], rest[2:]
    else:
        namespace = ""
    if len(rest) > 3:
        return None
    plural, name, subresource = [*rest, "", ""][:3]
    return ResourcePath(group, version, plural, namespace, name, subresource)


def _is_namespace_subresource(group: str, rest: list[str]) -> bool:
    return not group and len(rest) == 3 and rest[2] in ("status", "finalize")
