"""The ConfigMaps, Secrets and tokens that a pod needs, and what they hold. Pure."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from edgecore.edged.errors import ConfigProblem
from viaduct.tokenrequest import USUAL_SECONDS

CONFIGMAP = "configmap"
SECRET = "secret"
API_ACCESS_PREFIX = "kube-api-access-"
"""Volumes that an API server adds to every pod so that it can call back."""

_WORDS = {CONFIGMAP: "ConfigMap", SECRET: "Secret"}


class Source(NamedTuple):
    """One object in the pod's namespace."""

    type: str
    name: str


Documents = Mapping[Source, dict[str, Any] | None]
"""What is known: the object, or None where there is none."""


class TokenWish(NamedTuple):
    """A token of the pod's service account. ``audience`` "": the API's own."""

    audience: str
    seconds: int


@dataclasses.dataclass(frozen=True, slots=True)
class TokenFound:
    """``problem``: why there is no token, or no newer one; ``text`` "": there is none."""

    text: str = dataclasses.field(default="", repr=False)
    problem: str = ""


def is_api_access(volume: dict[str, Any]) -> bool:
    """Whether an API server added the volume by itself. A pod starts with what there is of it (decision 0094)."""
    return str(volume.get("name", "")).startswith(API_ACCESS_PREFIX) and volume.get("projected") is not None


def token_wishes(spec: dict[str, Any]) -> dict[TokenWish, bool]:
    """Every token that a PodSpec names, and whether the pod asked for it itself and so cannot start without it."""
    wishes: dict[TokenWish, bool] = {}
    for volume in spec.get("volumes") or []:
        for part in volume_sources(volume):
            if isinstance(source := part.get("serviceAccountToken"), dict):
                wish = token_wish(source)
                wishes[wish] = wishes.get(wish, False) or not is_api_access(volume)
    return wishes


def token_wish(source: dict[str, Any]) -> TokenWish:
    """Of a projected volume's ``serviceAccountToken``."""
    seconds = source.get("expirationSeconds")
    usable = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0
    return TokenWish(str(source.get("audience") or ""), seconds if usable and isinstance(seconds, int) else USUAL_SECONDS)


def sources_of(spec: dict[str, Any]) -> set[Source]:
    """Every ConfigMap and Secret that a PodSpec names."""
    found = {Source(SECRET, str(ref.get("name"))) for ref in spec.get("imagePullSecrets") or [] if ref.get("name")}
    for container in (*(spec.get("initContainers") or []), *(spec.get("containers") or [])):
        found |= set(_in_container(container))
    for volume in spec.get("volumes") or []:
        found |= set(_in_volume(volume))
    return found


def volume_sources(volume: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a volume, in the shape of a projected volume's sources (name, items, optional)."""
    if volume.get("configMap") is not None:
        return [{"configMap": volume["configMap"]}]
    if volume.get("secret") is not None:
        secret = volume["secret"]
        return [{"secret": {**secret, "name": secret.get("secretName") or secret.get("name")}}]
    if volume.get("downwardAPI") is not None:
        return [{"downwardAPI": volume["downwardAPI"]}]
    projected = volume.get("projected") or {}
    return [source for source in projected.get("sources") or [] if isinstance(source, dict)]


def content(documents: Documents, source: Source, namespace: str, *, optional: bool) -> dict[str, bytes]:
    """Key by key. An optional object that does not exist is empty.

    Raises:
        ConfigProblem: it does not exist, or a value is not base64; in Kubernetes' words.
    """
    document = documents.get(source)
    if document is None:
        if optional:
            return {}
        raise ConfigProblem(f'{source.type} "{source.name}" not found')
    if source.type == CONFIGMAP:
        texts = {key: str(value).encode() for key, value in (document.get("data") or {}).items()}
        return texts | _decoded(document.get("binaryData"), source, namespace)
    return _decoded(document.get("data"), source, namespace)


def value(documents: Documents, source: Source, key: str, namespace: str, *, optional: bool) -> str | None:
    """One key as text; None where it is optional and missing.

    Raises:
        ConfigProblem: the object or the key does not exist.
    """
    values = content(documents, source, namespace, optional=optional)
    if key in values:
        return values[key].decode(errors="replace")
    if optional:
        return None
    raise ConfigProblem(f"couldn't find key {key} in {_WORDS[source.type]} {namespace}/{source.name}")


def _decoded(data: Any, source: Source, namespace: str) -> dict[str, bytes]:
    decoded = {}
    for key, text in (data or {}).items():
        try:
            decoded[key] = base64.b64decode(str(text), validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ConfigProblem(f"{_WORDS[source.type]} {namespace}/{source.name}: the value of {key} is not base64") from exc
    return decoded


def _in_container(container: dict[str, Any]) -> Iterator[Source]:
    for entry in container.get("envFrom") or []:
        for field, kind in (("configMapRef", CONFIGMAP), ("secretRef", SECRET)):
            if (entry.get(field) or {}).get("name"):
                yield Source(kind, str(entry[field]["name"]))
    for entry in container.get("env") or []:
        origin = entry.get("valueFrom") or {}
        for field, kind in (("configMapKeyRef", CONFIGMAP), ("secretKeyRef", SECRET)):
            if (origin.get(field) or {}).get("name"):
                yield Source(kind, str(origin[field]["name"]))


def _in_volume(volume: dict[str, Any]) -> Iterator[Source]:
    for part in volume_sources(volume):
        for field, kind in (("configMap", CONFIGMAP), ("secret", SECRET)):
            if (part.get(field) or {}).get("name"):
                yield Source(kind, str(part[field]["name"]))
