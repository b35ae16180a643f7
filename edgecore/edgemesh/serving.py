"""Services and the pods of this board to the proxy's table, and to what a person should hear about it. Pure; shapes of core/v1."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgecore.edgemesh.proxy.table import CLIENT, TURNS, Endpoint, Listener, Table

CLUSTER_DOMAIN = "cluster.local"
HEADLESS = "None"
ANYWHERE = "0.0.0.0"
_OPEN_TO_NODES = ("NodePort", "LoadBalancer")
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp"}

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resident:
    """A pod of this board, as Services see it. ``ports``: by (name, protocol) the numbers that its containers give to names.

    ``ready``: it may get traffic now; a pod that is to go may not.
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    address: str
    ready: bool
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    hostname: str = ""
    subdomain: str = ""


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """Something that a Service asks for and this board does not do. ``key``: ``<namespace>/<name>`` of the Service."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Mesh:
    table: Table
    shortcomings: tuple[Shortcoming, ...]


def mesh(services: Iterable[Object], endpoints: Iterable[Object], residents: Sequence[Resident], *, domain: str) -> Mesh:
    """Everything that the proxy does for these Services. ``endpoints``: those of Services without a selector."""
    table = Table()
    table.domain = domain
    by_place = {_place(one): one for one in endpoints}
    found: list[Shortcoming] = []
    for service in sorted(services, key=_place):
        key = "/".join(_place(service))
        try:
            view = _View(service, by_place.get(_place(service), {}), residents, domain)
            found += [Shortcoming(key, text) for text in _shortcomings(view)]
            _enter(table, view)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            found.append(Shortcoming(key[:200], f"it cannot be read ({type(exc).__name__}: {exc}): it is not served"))
    return Mesh(table, tuple(found))


def resident_of(document: Object, status: Object, *, going: bool) -> Resident:
    """A pod document and the status that this board tells of it."""
    metadata, spec = _part(document, "metadata"), _part(document, "spec")
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or [])
    return Resident(
        namespace=str(metadata.get("namespace")),
        name=str(metadata.get("name")),
        labels=_part(metadata, "labels"),
        address=str(status.get("podIP") or ""),
        ready=ready and not going,
        ports=dict(_named_ports(spec)),
        hostname=str(spec.get("hostname") or ""),
        subdomain=str(spec.get("subdomain") or ""),
    )


def nameserver_of(instance: str) -> str:
    """Where the pods of the EdgeCore ``instance`` (hexadecimal) ask for names, the same for ever because their resolv.conf holds it.

    Link-local, as node-local DNS caches have it, so that no network of anybody is hidden; below 169.254.128.0, where clouds keep theirs.
    """
    number = int(instance[:8], 16)
    return f"169.254.{1 + number % 126}.{1 + number // 126 % 254}"


class _View:
    """One Service and who is behind it here."""

    def __init__(self, service: Object, endpoints: Object, residents: Sequence[Resident], domain: str) -> None:
        self.namespace, self.name = map(_label, _place(service))
        self.spec = _part(service, "spec")
        self.type = str(self.spec.get("type") or "ClusterIP")
        self.address = str(self.spec.get("clusterIP") or "")
        self.host = f"{self.name}.{self.namespace}.svc.{domain}".lower()
        self.ports = [port for port in self.spec.get("ports") or [] if isinstance(port, dict)]
        self.affinity = CLIENT if self.spec.get("sessionAffinity") == "ClientIP" else TURNS
        self.endpoints = endpoints
        selector = _part(self.spec, "selector")
        self.selects = bool(selector)
        chosen = [one for one in residents if selector and one.namespace == self.namespace and selector.items() <= one.labels.items()]
        self.chosen = sorted(chosen, key=lambda one: one.name)
        early = bool(self.spec.get("publishNotReadyAddresses"))
        self.ready = [one for one in self.chosen if one.address and (one.ready or early)]

    def addresses(self) -> list[str]:
        """Of those who may get traffic, for a headless Service."""
        if self.selects:
            return [one.address for one in self.ready]
        written = [str(address.get("ip")) for subset in _subsets(self.endpoints) for address in subset.get("addresses") or []]
        return [address for address in written if _is_v4(address)]

    def backends(self, port: Object) -> tuple[Endpoint, ...]:
        if self.selects:
            return tuple((one.address, number) for one in self.ready if (number := _target(port, one)))
        return tuple(sorted(set(_written_backends(self.endpoints, port))))


def _enter(table: Table, view: _View) -> None:
    if view.type == "ExternalName":
        return
    if view.address == HEADLESS:
        table.names[view.host] = tuple(dict.fromkeys(view.addresses()))
        for one in view.ready:
            if one.hostname and one.subdomain == view.name:
                table.names[f"{_label(one.hostname)}.{view.host}"] = (one.address,)
    elif _is_v4(view.address):
        table.names[view.host] = (view.address,)
        table.addresses.add(view.address)
    else:
        return
    for port in view.ports:
        protocol = _PROTOCOLS.get(str(port.get("protocol") or "TCP"))
        if protocol and port.get("name"):
            table.srv[f"_{_label(port['name'])}._{protocol}.{view.host}"] = ((_number(port["port"]), view.host),)
        if protocol and view.address != HEADLESS:
            _open(table, view, port, protocol)


def _open(table: Table, view: _View, port: Object, protocol: str) -> None:
    backends = view.backends(port)
    if not backends:
        return
    places = [(view.address, _number(port["port"]))]
    if view.type in _OPEN_TO_NODES and port.get("nodePort"):
        places.append((ANYWHERE, _number(port["nodePort"])))
    for place in places:
        listener = Listener(protocol, place, view.affinity, backends)
        table.listeners.setdefault(listener.key, listener)


def _shortcomings(view: _View) -> Iterator[str]:
    if view.type == "ExternalName":
        yield "names of type ExternalName are not answered on a board"
        return
    if view.address not in ("", HEADLESS) and not _is_v4(view.address):
        yield f"the cluster address {view.address} is not IPv4: it is not served on a board"
    for port in view.ports:
        if str(port.get("protocol") or "TCP") not in _PROTOCOLS:
            yield f"port {port.get('port')}: {port.get('protocol')} is not carried on a board"
    if view.spec.get("externalIPs"):
        yield "externalIPs are not served on a board"


def _target(port: Object, resident: Resident) -> int:
    """The number on the pod: targetPort as a number, as the name of one of its ports, or the Service's own number. 0: it has none."""
    target = port.get("targetPort") or port.get("port")
    if isinstance(target, int):
        return _number(target)
    return resident.ports.get((str(target), str(port.get("protocol") or "TCP")), 0)


def _written_backends(endpoints: Object, port: Object) -> Iterator[Endpoint]:
    for subset in _subsets(endpoints):
        for other in subset.get("ports") or []:
            if (other.get("name") or "") != (port.get("name") or "") or (other.get("protocol") or "TCP") != (port.get("protocol") or "TCP"):
                continue
            for address in subset.get("addresses") or []:
                if _may_be_reached(str(address.get("ip"))):
                    yield str(address["ip"]), _number(other["port"])


def _may_be_reached(text: str) -> bool:
    """Nothing of the board's own that is not meant for pods, as Kubernetes has it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)


def _label(text: str) -> str:
    """Raises ValueError: no word of a name, and so none of the table either."""
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text[:64]!r} is no part of a name")
    return text


def _number(value: Any) -> int:
    """Raises ValueError: no port."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise ValueError(f"expected a port, got {str(value)[:20]!r}")
    return value


def _is_v4(text: str) -> bool:
    try:
        return not ipaddress.IPv4Address(text).is_unspecified
    except ValueError:
        return False


def _named_ports(spec: Object) -> Iterator[tuple[tuple[str, str], int]]:
    for container in (*(spec.get("initContainers") or []), *(spec.get("containers") or [])):
        for port in container.get("ports") or []:
            if port.get("name") and isinstance(port.get("containerPort"), int):
                yield (str(port["name"]), str(port.get("protocol") or "TCP")), port["containerPort"]


def _subsets(endpoints: Object) -> list[dict[str, Any]]:
    return [subset for subset in endpoints.get("subsets") or [] if isinstance(subset, dict)]


def _place(obj: Object) -> tuple[str, str]:
    metadata = _part(obj, "metadata")
    return str(metadata.get("namespace")), str(metadata.get("name"))


def _part(value: Object, key: str) -> dict[str, Any]:
    part = value.get(key)
    return part if isinstance(part, dict) else {}
