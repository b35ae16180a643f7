"""``fieldRef`` and ``resourceFieldRef``: what a pod may know about itself and its node. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from edgecore.edged.errors import ConfigProblem
from edgecore.edged.pod import PodPlan
from edgecore.edged.quantity import quantity

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the node adds to a pod. ``cpu`` and ``memory`` (bytes): what a container without limits could have."""

    node: str
    host_address: str
    cpu: int
    memory: int
    pod_address: str = ""


def field_value(path: str, plan: PodPlan, around: Surroundings) -> str:
    """Raises:
    ConfigProblem: no such field.
    """
    address = around.host_address if plan.host_network else around.pod_address
    known = {
        "metadata.name": plan.name,
        "metadata.namespace": plan.namespace,
        "metadata.uid": plan.uid,
        "metadata.labels": _lines(plan.metadata.get("labels")),
        "metadata.annotations": _lines(plan.metadata.get("annotations")),
        "spec.nodeName": str(plan.spec.get("nodeName") or around.node),
        "spec.serviceAccountName": plan.account,
        "status.hostIP": around.host_address,
        "status.hostIPs": around.host_address,
        "status.podIP": address,
        "status.podIPs": address,
    }
    if path in known:
        return known[path]
    match = _SUBSCRIPT.fullmatch(path)
    if match is None:
        raise ConfigProblem(f"unsupported fieldPath: {path}")
    return str((plan.metadata.get(match.group(1)) or {}).get(match.group(2), ""))


def resource_value(ref: dict[str, Any], container: dict[str, Any], plan: PodPlan, around: Surroundings) -> str:
    """A limit or request divided by ``divisor``, rounded up; the node's own where there is no limit.

    Raises:
        ConfigProblem: no such resource or container, or a divisor that is none.
    """
    resource, name = str(ref.get("resource", "")), ref.get("containerName")
    if name and name != container.get("name"):
        container = next((w.document for w in plan.wanted if w.name == name), {})
    kind, _, what = resource.partition(".")
    fallback = {"cpu": around.cpu, "memory": around.memory, "ephemeral-storage": 0}
    if kind not in ("limits", "requests") or what not in fallback:
        raise ConfigProblem(f"unsupported container resource : {resource}")
    resources = container.get("resources") or {}
    asked = (resources.get(kind) or {}).get(what)
    if asked is None and kind == "limits":
        asked = fallback[what]
    try:
        divisor = quantity(ref.get("divisor") or 1) or Fraction(1)
        return str(math.ceil(quantity(asked or 0) / divisor))
    except ValueError as exc:
        raise ConfigProblem(f"{resource}: {exc}") from exc


def _lines(values: Any) -> str:
    """``key="value"`` lines, sorted, with the escapes of Go's %q for what can hurt."""
    escaped = ((key, str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for key, text in (values or {}).items())
    return "\n".join(f'{key}="{text}"' for key, text in sorted(escaped))
