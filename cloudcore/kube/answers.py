"""What an answer of the Kubernetes API means: its error status to one of our errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudcore.errors import (
    KubeAlreadyExists,
    KubeConflict,
    KubeError,
    KubeForbidden,
    KubeGone,
    KubeInvalid,
    KubeNotFound,
)

_REFUSALS = frozenset({400, 405, 413, 415, 422})


def error_of(code: int, body: Any, what: str) -> KubeError:
    """The error for an HTTP ``code`` whose body (a Status, as a rule) is ``body``; ``what`` names the request."""
    status = body if isinstance(body, Mapping) else {}
    reason = str(status.get("reason") or "")
    said = str(status.get("message") or (body if isinstance(body, str) else "") or reason or "no reason given")
    return _class_of(code, reason)(f"{what}: {code} {said[:1000]}", code=code, reason=reason)


def _class_of(code: int, reason: str) -> type[KubeError]:
    if code == 409:
        return KubeAlreadyExists if reason == "AlreadyExists" else KubeConflict
    if code in _REFUSALS:
        return KubeInvalid
    return {403: KubeForbidden, 404: KubeNotFound, 410: KubeGone}.get(code, KubeError)
