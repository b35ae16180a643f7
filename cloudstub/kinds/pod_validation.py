"""What a pod or a pod template refuses."""

from __future__ import annotations

import re
from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds import names
from cloudstub.kinds.faults import duplicate, forbidden, invalid, required, unsupported, wrong_type
from cloudstub.kinds.kind import Object

_ENV_NAME = re.compile(r"[ -<>-~]+")
_QUANTITY = re.compile(r"[+-]?(\d+|\d+\.\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]([a-z0-9]|-(?!-))*(?<!-)")

RESTART = ("Always", "Never", "OnFailure")
PULL = ("Always", "IfNotPresent", "Never")
DNS = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
PROTOCOLS = ("SCTP", "TCP", "UDP")
# Everything else in the spec of a pod is fixed when it is created.
_MUTABLE = {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"}


def pod_errors(obj: Object, old: Object | None) -> list[FieldError]:
    found = spec_errors(obj.get("spec"), "spec", restart=RESTART)
    if old is not None and not found:
        found += _update_errors(obj["spec"], old["spec"])
    return found


def template_errors(template: Any, path: str, *, restart: tuple[str, ...]) -> list[FieldError]:
    if not isinstance(template, dict):
        return [required(path)]
    metadata = template.get("metadata")
    found = names.labels(metadata.get("labels"), f"{path}.metadata.labels") if isinstance(metadata, dict) else []
    return found + spec_errors(template.get("spec"), f"{path}.spec", restart=restart)


def _update_errors(spec: Object, old: Object) -> list[FieldError]:
    if _fixed(spec) == _fixed(old):
        return []
    why = (
        "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
        "`spec.activeDeadlineSeconds`, `spec.tolerations` or `spec.terminationGracePeriodSeconds`"
    )
    return [forbidden("spec", why)]


def _fixed(spec: Object) -> Object:
    fixed = {name: value for name, value in spec.items() if name not in _MUTABLE}
    for field in ("containers", "initContainers"):
        fixed[field] = [{**container, "image": None} for container in spec.get(field) or ()]
    return fixed


def spec_errors(spec: Any, path: str, *, restart: tuple[str, ...]) -> list[FieldError]:
    """Every fault of a PodSpec; ``restart`` are the restart policies that fit here."""
    if not isinstance(spec, dict):
        return [required(path)]
    found: list[FieldError] = []
    volumes, faults = _volumes(spec.get("volumes"), f"{path}.volumes")
    found += faults
    containers = spec.get("containers")
    if not isinstance(containers, list) or not containers:
        found.append(required(f"{path}.containers"))
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(field) or ()) if isinstance(spec.get(field) or [], list) else ():
            found += _container(container, f"{path}.{field}[{i}]", volumes, seen)
    if spec.get("restartPolicy") not in restart:
        found.append(unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), restart))
    if spec.get("dnsPolicy") not in DNS:
        found.append(unsupported(f"{path}.dnsPolicy", spec.get("dnsPolicy"), DNS))
    for name in ("terminationGracePeriodSeconds", "activeDeadlineSeconds"):
        value = spec.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            found.append(invalid(f"{path}.{name}", value, "must be an integer of 0 or more"))
    found += names.labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    return found + _host_ports(spec, path)


def _host_ports(spec: Object, path: str) -> list[FieldError]:
    seen: set[Any] = set()
    found = []
    for c, container in enumerate(spec.get("containers") or ()):
        for p, port in enumerate(_list(container.get("ports")) if isinstance(container, dict) else ()):
            if not isinstance(port, dict) or not port.get("hostPort"):
                continue
            key = (str(port["hostPort"]), str(port.get("protocol")), str(port.get("hostIP")))
            if key in seen:
                found.append(duplicate(f"{path}.containers[{c}].ports[{p}].hostPort", port["hostPort"]))
            seen.add(key)
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _volumes(volumes: Any, path: str) -> tuple[set[str], list[FieldError]]:
    if volumes is not None and not isinstance(volumes, list):
        return set(), [wrong_type(path, volumes, "a list")]
    found: list[FieldError] = []
    seen: set[str] = set()
    for i, volume in enumerate(volumes or ()):
        at = f"{path}[{i}]"
        if not isinstance(volume, dict):
            found.append(wrong_type(at, volume, "an object"))
            continue
        found += _name(volume, at, seen)
        sources = [key for key in volume if key != "name"]
        if len(sources) > 1:
            found.append(forbidden(f"{at}.{sources[1]}", "may not specify more than 1 volume type"))
        found += _source(volume, at)
    return seen, found


def _source(volume: Object, path: str) -> list[FieldError]:
    for source, field in (("configMap", "name"), ("secret", "secretName"), ("hostPath", "path")):
        if source not in volume:
            continue
        value = volume[source]
        if not isinstance(value, dict) or not isinstance(value.get(field), str) or not value[field]:
            return [required(f"{path}.{source}.{field}")]
        if source == "hostPath" and ".." in value["path"].split("/"):
            return [invalid(f"{path}.hostPath.path", value["path"], "must not contain '..'")]
    return []


def _name(part: Object, path: str, seen: set[str]) -> list[FieldError]:
    """A part's name must be there, be a DNS label and be used once."""
    name = part.get("name")
    if not isinstance(name, str) or not name:
        return [required(f"{path}.name")]
    fault = names.label_fault(name)
    found = [invalid(f"{path}.name", name, fault)] if fault else []
    if name in seen:
        found.append(duplicate(f"{path}.name", name))
    seen.add(name)
    return found


def _container(container: Any, path: str, volumes: set[str], seen: set[str]) -> list[FieldError]:
    if not isinstance(container, dict):
        return [wrong_type(path, container, "an object")]
    found = _name(container, path, seen)
    image = container.get("image")
    if not isinstance(image, str) or not image:
        found.append(required(f"{path}.image"))
    elif image != image.strip():
        found.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    if container.get("imagePullPolicy") not in PULL:
        found.append(unsupported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL))
    for field in ("command", "args"):
        value = container.get(field) or []
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            found.append(wrong_type(f"{path}.{field}", value, "a list of strings"))
    for field, check in (("ports", _port), ("env", _variable)):
        value = container.get(field)
        if value is not None and not isinstance(value, list):
            found.append(wrong_type(f"{path}.{field}", value, "a list"))
        for i, item in enumerate(_list(value)):
            found += check(item, f"{path}.{field}[{i}]")
    found += _mounts(container.get("volumeMounts"), f"{path}.volumeMounts", volumes)
    return found + _resources(container.get("resources"), f"{path}.resources")


def _port(port: Any, path: str) -> list[FieldError]:
    if not isinstance(port, dict):
        return [wrong_type(path, port, "an object")]
    found = []
    if "containerPort" not in port:
        found.append(required(f"{path}.containerPort"))
    for name in ("containerPort", "hostPort"):
        value = port.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
            found.append(invalid(f"{path}.{name}", value, "must be between 1 and 65535, inclusive"))
    if port.get("protocol") not in PROTOCOLS:
        found.append(unsupported(f"{path}.protocol", port.get("protocol"), PROTOCOLS))
    label = port.get("name")
    if label and (not isinstance(label, str) or not _PORT_NAME.fullmatch(label)):
        found.append(invalid(f"{path}.name", label, "must be an IANA service name: at most 15 of a-z, 0-9 and '-', with a letter"))
    return found


def _variable(variable: Any, path: str) -> list[FieldError]:
    if not isinstance(variable, dict):
        return [wrong_type(path, variable, "an object")]
    name = variable.get("name")
    if not isinstance(name, str) or not name:
        return [required(f"{path}.name")]
    found = []
    if not _ENV_NAME.fullmatch(name):
        found.append(invalid(f"{path}.name", name, "must be printable characters other than '='"))
    if variable.get("value") is not None and not isinstance(variable["value"], str):
        found.append(wrong_type(f"{path}.value", variable["value"], "a string (quote it)"))
    if variable.get("valueFrom") is not None and variable.get("value"):
        found.append(invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty"))
    return found


def _mounts(mounts: Any, path: str, volumes: set[str]) -> list[FieldError]:
    found: list[FieldError] = []
    if mounts is not None and not isinstance(mounts, list):
        return [wrong_type(path, mounts, "a list")]
    seen: set[str] = set()
    for i, mount in enumerate(mounts or ()):
        at = f"{path}[{i}]"
        if not isinstance(mount, dict) or not isinstance(mount.get("name"), str):
            found.append(required(f"{at}.name"))
            continue
        if mount["name"] not in volumes:
            found.append(FieldError(f"{at}.name", f'Not found: "{mount["name"]}"', "FieldValueNotFound"))
        place = mount.get("mountPath")
        if not isinstance(place, str) or not place:
            found.append(required(f"{at}.mountPath"))
        elif place in seen:
            found.append(invalid(f"{at}.mountPath", place, "must be unique"))
        else:
            seen.add(place)
    return found


def _resources(resources: Any, path: str) -> list[FieldError]:
    if not isinstance(resources, dict):
        return [] if resources is None else [wrong_type(path, resources, "an object")]
    found = []
    for part in ("limits", "requests"):
        amounts = resources.get(part) or {}
        if not isinstance(amounts, dict):
            found.append(wrong_type(f"{path}.{part}", amounts, "an object"))
            continue
        found += [
            invalid(f"{path}.{part}[{name}]", amount, "must be a quantity such as '500m' or '64Mi'")
            for name, amount in amounts.items()
            if isinstance(amount, bool) or not _QUANTITY.fullmatch(str(amount))
        ]
    return found
