"""Pod statuses on their way up (contract 4.3). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from viaduct.errors import MalformedPayload
from viaduct.message import Message, new_message
from viaduct.resource import ResourcePath
from viaduct.vocabulary import Group, Operation, ResourceType, Source


def pod_key(status: ResourcePath) -> str:
    """The key of the pod that a status is about."""
    return str(ResourcePath(status.namespace, ResourceType.POD, status.name))


def status_key(pod: ResourcePath) -> str:
    """The key under which a pod's status is stored."""
    return str(ResourcePath(pod.namespace, ResourceType.PODSTATUS, pod.name))


def outbox_key(path: ResourcePath) -> str:
    return f"podstatus/{path.namespace}/{path.name}"


def canonical(content: Any) -> tuple[str, str]:
    """(pod uid, JSON text) of a reported status; equal statuses give equal texts.

    Raises:
        MalformedPayload: not ``{"UID": …, "Name": …, "Status": {…}}``.
    """
    if not isinstance(content, dict) or not isinstance(content.get("Status"), dict):
        raise MalformedPayload("content.Status", "expected an object")
    uid = content.get("UID")
    if not isinstance(uid, str):
        raise MalformedPayload("content.UID", "expected a string")
    return uid, json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def report(path: ResourcePath, text: str, *, now_ms: int) -> Message:
    """The message up about one pod; ``text`` from ``canonical``."""
    return _message(str(path), json.loads(text), now_ms)


def full_reports(statuses: Iterable[tuple[ResourcePath, str]], *, now_ms: int) -> list[Message]:
    """One message for each namespace with all its statuses (KubeEdge takes the first one's namespace for all: bug E1)."""
    by_namespace: dict[str, list[Any]] = {}
    for path, text in statuses:
        by_namespace.setdefault(path.namespace, []).append(json.loads(text))
    return [_message(str(ResourcePath(namespace, ResourceType.PODSTATUS)), batch, now_ms) for namespace, batch in by_namespace.items()]


def _message(resource: str, content: Any, now_ms: int) -> Message:
    return new_message(source=Source.EDGED, group=Group.META, operation=Operation.UPDATE, resource=resource, now_ms=now_ms, content=content)
