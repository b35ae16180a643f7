"""Which kubelet is asked for a pod's logs or terminal, and how. As Kubernetes: the pod must exist, the container must be clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from cloudstub.errors import Backend, BadRequest, FieldError, Invalid, NotFound
from cloudstub.store.records import Key
from cloudstub.verbs.get import get
from cloudstub.verbs.world import Target, World

ADDRESS_TYPES = ("InternalDNS", "Hostname", "InternalIP", "ExternalDNS", "ExternalIP")
"""The addresses of a Node in the order in which they are tried, as --kubelet-preferred-address-types has it."""

KUBELET_PORT = 10250

Query = Sequence[tuple[str, str]]

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_LOG_NUMBERS = ("tailLines", "limitBytes", "sinceSeconds")
_LOG_OPTIONS = ("follow", "previous", "timestamps", "sinceTime", *_LOG_NUMBERS)
_COMMAND_OPTIONS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
_TRUE = ("1", "t", "true")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a kubelet answers: ``path`` with its query."""

    node: str
    host: str
    port: int
    path: str


def log_location(world: World, target: Target, query: Query) -> Location | None:
    """None: the pod is on no node yet, so there is nothing to read.

    Raises:
        NotFound, BadRequest, Invalid, Backend.
    """
    pod = get(world, target).value
    _check_log_options(pod, query)
    container = container_of(pod, _one(query, "container"))
    node = _node_of(pod)
    if not node:
        return None
    asked = [(name, value) for name, value in query if name in _LOG_OPTIONS]
    return _at(world, node, ("containerLogs", target.namespace or "", target.name, container), asked)


def command_location(world: World, target: Target, verb: str, query: Query) -> Location:
    """``verb``: exec or attach."""
    pod = get(world, target).value
    container = container_of(pod, _one(query, "container"))
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise BadRequest(f"cannot {verb} into a container in a completed pod; current phase is {phase}")
    asked = [(_COMMAND_OPTIONS[name], "1") for name, value in query if name in _COMMAND_OPTIONS and value.lower() in _TRUE]
    if verb == "exec":
        asked += [(name, value) for name, value in query if name == "command"]
        if not any(name == "command" for name, _ in asked):
            raise BadRequest("you must specify at least 1 command for the container")
    return _at(world, _bound(pod), (verb, target.namespace or "", target.name, container), asked)


def port_location(world: World, target: Target, query: Query) -> Location:
    pod = get(world, target).value
    return _at(world, _bound(pod), ("portForward", target.namespace or "", target.name), [pair for pair in query if pair[0] == "ports"])


def summary_location(node: dict[str, Any]) -> Location:
    """Of what a node and its pods use. Raises Backend."""
    return Location(node["metadata"]["name"], *kubelet_of(node), "/stats/summary")


def container_of(pod: dict[str, Any], named: str) -> str:
    """The container that is meant. Raises BadRequest where that is not clear, or it is none of the pod's."""
    name, spec = pod["metadata"]["name"], pod.get("spec") or {}
    ordinary, initial = ([str(c.get("name")) for c in spec.get(field) or []] for field in ("containers", "initContainers"))
    ephemeral = [str(c.get("name")) for c in spec.get("ephemeralContainers") or []]
    if named:
        if named not in (*ordinary, *initial, *ephemeral):
            raise BadRequest(f"container {named} is not valid for pod {name}")
        return named
    default = str((pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER) or "")
    if default in ordinary:
        return default
    if len(ordinary) != 1:
        also = f" or one of the init containers: [{' '.join(initial)}]" if initial else ""
        raise BadRequest(f"a container name must be specified for pod {name}, choose one of: [{' '.join(ordinary)}]{also}")
    return ordinary[0]


def kubelet_of(node: dict[str, Any], preferred: Sequence[str] = ADDRESS_TYPES) -> tuple[str, int]:
    """Host and port. Raises Backend: the Node says none."""
    status = node.get("status") or {}
    addresses = [(str(a.get("type")), str(a.get("address") or "")) for a in status.get("addresses") or [] if isinstance(a, dict)]
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or KUBELET_PORT
    for wanted in preferred:
        for kind, address in addresses:
            if kind == wanted and address:
                return address, int(port)
    raise Backend(f"node {node['metadata']['name']} says no address under which its kubelet answers (status.addresses)")


def _at(world: World, node: str, parts: Sequence[str], query: Query) -> Location:
    record = world.store.get(Key("nodes", "", node))
    if record is None:
        raise NotFound(f'nodes "{node}" not found: the pod is bound to a node that is not there', details={"name": node, "kind": "nodes"})
    host, port = kubelet_of(record.value)
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    return Location(node, host, port, f"{path}?{urlencode(query)}" if query else path)


def _bound(pod: dict[str, Any]) -> str:
    node = _node_of(pod)
    if not node:
        raise BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
    return node


def _node_of(pod: dict[str, Any]) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _check_log_options(pod: dict[str, Any], query: Query) -> None:
    faults = []
    for name in _LOG_NUMBERS:
        text = _one(query, name)
        least = 0 if name == "tailLines" else 1
        if text and not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) >= least):
            faults.append(FieldError(name, f"Invalid value: {text[:40]!r}: must be a number of {least} or more"))
    if _one(query, "sinceSeconds") and _one(query, "sinceTime"):
        faults.append(FieldError("sinceSeconds", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if faults:
        name = pod["metadata"]["name"]
        said = "; ".join(f"{fault.path}: {fault.message}" for fault in faults)
        raise Invalid(f'PodLogOptions "{name}" is invalid: {said}', fields=faults, details={"name": name, "kind": "PodLogOptions"})


def _one(query: Query, name: str) -> str:
    return next((value for key, value in query if key == name), "")
