"""What a Service and its Endpoints refuse, in Kubernetes' words."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds import names
from cloudstub.kinds.faults import duplicate, forbidden, invalid, required, unsupported, wrong_type
from cloudstub.kinds.kind import Object

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
_OPEN_TO_NODES = ("NodePort", "LoadBalancer")
_PORT_RANGE = "must be between 1 and 65535, inclusive"
_PORT_NAME = re.compile(r"(?!.*--)(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(r"(?=.{1,253}\.?$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?")


def service_errors(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    kind = spec.get("type")
    found = []
    if kind not in TYPES:
        found.append(unsupported("spec.type", kind, TYPES))
    found += names.labels(spec.get("selector"), "spec.selector")
    ports = spec.get("ports")
    if ports is not None and not isinstance(ports, list):
        return [*found, wrong_type("spec.ports", ports, "a list")]
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and kind != "ExternalName":
        found.append(required("spec.ports"))
    for i, port in enumerate(ports or []):
        found += _service_port(port, f"spec.ports[{i}]", kind, several=len(ports or ()) > 1)
    found += _twice(ports or [])
    if spec.get("sessionAffinity") not in AFFINITIES:
        found.append(unsupported("spec.sessionAffinity", spec.get("sessionAffinity"), AFFINITIES))
    if kind == "ExternalName":
        return found + _external_name(spec)
    return found + _address(spec, old)


def endpoints_errors(obj: Object, old: Object | None) -> list[FieldError]:
    found = []
    for i, subset in enumerate(obj.get("subsets") or []):
        path = f"subsets[{i}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            found.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for k, address in enumerate(subset.get(field) or []):
                found += _endpoint_address(address.get("ip"), f"{path}.{field}[{k}].ip")
        ports = subset.get("ports") or []
        for k, port in enumerate(ports):
            found += _endpoint_port(port, f"{path}.ports[{k}]", several=len(ports or ()) > 1)
    return found


def _address(spec: Object, old: Object | None) -> list[FieldError]:
    address, kind = spec.get("clusterIP"), spec.get("type")
    before = (old or {}).get("spec") or {}
    found = []
    if address == "None" and kind in _OPEN_TO_NODES:
        found.append(invalid("spec.clusterIPs[0]", address, f"may not be set to 'None' for {kind} services"))
    elif address not in (None, "", "None") and not _is_address(address):
        found.append(invalid("spec.clusterIP", address, "must be empty, 'None', or a valid IP address"))
    if before.get("clusterIP") and address != before["clusterIP"]:
        found.append(invalid("spec.clusterIP", address, "field is immutable"))
    return found


def _external_name(spec: Object) -> list[FieldError]:
    found = []
    name = spec.get("externalName")
    if not name:
        found.append(required("spec.externalName"))
    elif not isinstance(name, str) or not _HOST.fullmatch(name):
        found.append(invalid("spec.externalName", name, "a lowercase RFC 1123 subdomain must consist of a-z, 0-9, '-' and '.'"))
    if spec.get("clusterIP"):
        found.append(forbidden("spec.clusterIP", "may not be set for ExternalName services"))
    return found


def _service_port(port: Any, path: str, kind: Any, *, several: bool) -> list[FieldError]:
    if not isinstance(port, dict):
        return [wrong_type(path, port, "an object")]
    found = []
    if not _is_port(port.get("port")):
        found.append(invalid(f"{path}.port", port.get("port"), _PORT_RANGE))
    if port.get("protocol") not in PROTOCOLS:
        found.append(unsupported(f"{path}.protocol", port.get("protocol"), PROTOCOLS))
    name = port.get("name")
    if several and not name:
        found.append(required(f"{path}.name"))
    elif name and not _LABEL.fullmatch(str(name)):
        found.append(invalid(f"{path}.name", name, "a lowercase RFC 1123 label must consist of a-z, 0-9 and '-', at most 63 of them"))
    target = port.get("targetPort")
    if isinstance(target, str):
        if not _PORT_NAME.fullmatch(target):
            found.append(invalid(f"{path}.targetPort", target, "must be 1 to 15 of a-z, 0-9 and '-', with a letter"))
    elif target is not None and not _is_port(target):
        found.append(invalid(f"{path}.targetPort", target, _PORT_RANGE))
    if port.get("nodePort") and kind not in _OPEN_TO_NODES:
        found.append(forbidden(f"{path}.nodePort", f"may not be used when `type` is '{kind}'"))
    return found


def _twice(ports: list[Any]) -> list[FieldError]:
    found = []
    seen: set[tuple[Any, ...]] = set()
    for i, port in enumerate(port if isinstance(port, dict) else {} for port in ports):
        keys: list[tuple[str, tuple[Any, ...], Any]] = [("", ("port", str(port.get("port")), str(port.get("protocol"))), port)]
        if port.get("name"):
            keys.append((".name", ("name", str(port["name"])), port["name"]))
        if port.get("nodePort"):
            keys.append((".nodePort", ("nodePort", str(port["nodePort"]), str(port.get("protocol"))), port["nodePort"]))
        for field, key, value in keys:
            if port and key in seen:
                found.append(duplicate(f"spec.ports[{i}]{field}", value))
            seen.add(key)
    return found


def _endpoint_address(text: Any, path: str) -> list[FieldError]:
    if not _is_address(text):
        return [invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")]
    address = ipaddress.ip_address(text)
    for holds, what in (
        (address.is_unspecified, "may not be unspecified"),
        (address.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (address.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (address.is_multicast, "may not be in the multicast range"),
    ):
        if holds:
            return [invalid(path, text, what)]
    return []


def _endpoint_port(port: Any, path: str, *, several: bool) -> list[FieldError]:
    found = []
    if several and not port.get("name"):
        found.append(required(f"{path}.name"))
    if not _is_port(port.get("port")):
        found.append(invalid(f"{path}.port", port.get("port"), _PORT_RANGE))
    if port.get("protocol") not in PROTOCOLS:
        found.append(unsupported(f"{path}.protocol", port.get("protocol"), PROTOCOLS))
    return found


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def _is_address(text: Any) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return isinstance(text, str)
