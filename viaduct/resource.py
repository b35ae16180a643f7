"""Resource strings (contract 1.6): ``<namespace>/<type>[/<name>]`` on the wire, ``node/<node>/…`` inside a KubeEdge cloud."""

from __future__ import annotations

import re
from dataclasses import dataclass

from viaduct.errors import MalformedResource
from viaduct.vocabulary import ResourceType

CLUSTER_SCOPE = "null"
"""Namespace of cluster-scoped objects (contract 1.7)."""

_SEGMENT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?")
_DEVICE_ID = re.compile(r"[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """``namespace`` and ``type`` always, ``name`` where one object is meant. ``str()`` gives the wire form."""

    namespace: str
    type: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.type}/{self.name}" if self.name else f"{self.namespace}/{self.type}"


def parse_resource(text: str) -> ResourcePath:
    """``default/pod/web`` to ResourcePath.

    Raises:
        MalformedResource: wrong number of segments, unknown type, or characters outside Kubernetes' names.
    """
    parts = text.split("/")
    if len(parts) not in (2, 3):
        raise MalformedResource(text, f"expected <namespace>/<type>[/<name>], got {len(parts)} segments")
    for part in (parts[0], *parts[2:]):
        if not _SEGMENT.fullmatch(part):
            raise MalformedResource(text, f"segment {part[:64]!r} is not a Kubernetes name")
    if parts[1] not in ResourceType.__members__.values():
        raise MalformedResource(text, f"unknown type {parts[1][:64]!r}")
    return ResourcePath(*parts)


def with_node(node: str, resource: str) -> str:
    """``default/pod/web`` to ``node/edge1/default/pod/web``."""
    return f"node/{node}/{resource}"


def without_node(resource: str) -> tuple[str, str]:
    """``node/edge1/default/pod/web`` to ``("edge1", "default/pod/web")``.

    Only the first two segments are looked at, so a namespace called ``node`` confuses nobody.

    Raises:
        MalformedResource: the text does not begin with ``node/<name>/``.
    """
    parts = resource.split("/", 2)
    if len(parts) != 3 or parts[0] != "node" or not parts[1]:
        raise MalformedResource(resource, "expected node/<node>/…")
    return parts[1], parts[2]


# Device resources (contract 5.3, 6.6). Compared by whole segments, never by substring (bug C25).

MEMBERSHIP = "membership"
MEMBERSHIP_DETAIL = "membership/detail"
NODE_CONNECTION = "node/connection"
KEEPALIVE_RESOURCE = "node"
INVENTORY_RESOURCE = "inventory"
ACKNOWLEDGEMENTS_RESOURCE = "acknowledgements"
SAMPLES_RESOURCE = "samples"


def cloud_updated(device: str) -> str:
    return f"device/{device}/twin/cloud_updated"


def edge_updated(device: str) -> str:
    return f"device/{device}/twin/edge_updated"


def device_state(device: str) -> str:
    return f"device/{device}/state"


def parse_device(resource: str) -> str | None:
    """The id in ``device/<id>``; None of any other resource."""
    start, _, device = resource.partition("/")
    return device if start == "device" and _DEVICE_ID.fullmatch(device) else None


def parse_device_resource(resource: str) -> tuple[str, str]:
    """``device/<id>/twin/edge_updated`` to ``("<id>", "twin/edge_updated")``.

    Raises:
        MalformedResource: not a device resource, or an id outside ``[A-Za-z0-9._-]``.
    """
    parts = resource.split("/", 2)
    if len(parts) != 3 or parts[0] != "device":
        raise MalformedResource(resource, "expected device/<id>/…")
    if not _DEVICE_ID.fullmatch(parts[1]):
        raise MalformedResource(resource, f"device id {parts[1][:64]!r}")
    return parts[1], parts[2]
