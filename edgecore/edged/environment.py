"""The environment of a container, resolved in Kubernetes' order. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edgecore.edged.expansion import expand
from edgecore.edged.fields import Surroundings, field_value, resource_value
from edgecore.edged.pod import PodPlan
from edgecore.edged.sources import CONFIGMAP, SECRET, Documents, Source, content, value

_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def environment(
    container: dict[str, Any], plan: PodPlan, documents: Documents, around: Surroundings, *, links: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """``links`` (of Services), ``envFrom``, then ``env`` from top to bottom; later ones win; ``$(NAME)`` sees what stands above it.

    Raises:
        ConfigProblem: an object, key or field that is needed does not exist.
    """
    variables = {**links, **_from_whole_objects(container, plan, documents)}
    for entry in container.get("env") or []:
        name = str(entry.get("name", ""))
        origin = entry.get("valueFrom")
        found = (
            _from_origin(origin, container, plan, documents, around)
            if isinstance(origin, dict)
            else expand(str(entry.get("value") or ""), variables)
        )
        if name and found is not None:
            variables[name] = found
    return variables


def _from_whole_objects(container: dict[str, Any], plan: PodPlan, documents: Documents) -> dict[str, str]:
    variables: dict[str, str] = {}
    for entry in container.get("envFrom") or []:
        prefix = str(entry.get("prefix") or "")
        for field, kind in (("configMapRef", CONFIGMAP), ("secretRef", SECRET)):
            ref = entry.get(field)
            if not ref:
                continue
            values = content(documents, Source(kind, str(ref.get("name"))), plan.namespace, optional=bool(ref.get("optional")))
            named = {prefix + key: text.decode(errors="replace") for key, text in sorted(values.items())}
            variables |= {name: text for name, text in named.items() if _NAME.fullmatch(name)}
    return variables


def _from_origin(
    origin: dict[str, Any], container: dict[str, Any], plan: PodPlan, documents: Documents, around: Surroundings
) -> str | None:
    for field, kind in (("configMapKeyRef", CONFIGMAP), ("secretKeyRef", SECRET)):
        if ref := origin.get(field):
            source = Source(kind, str(ref.get("name")))
            return value(documents, source, str(ref.get("key")), plan.namespace, optional=bool(ref.get("optional")))
    if ref := origin.get("fieldRef"):
        return field_value(str(ref.get("fieldPath")), plan, around)
    if ref := origin.get("resourceFieldRef"):
        return resource_value(ref, container, plan, around)
    return None
