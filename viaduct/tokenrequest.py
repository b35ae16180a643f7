"""What is asked for when a pod needs a token of its service account (P5.11): an authentication/v1 TokenRequest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from viaduct.errors import MalformedPayload

USUAL_SECONDS = 3600
_MOST_SECONDS = 1 << 32
_MOST_TEXT = 64 * 1024


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token for one pod. ``audience`` "": the API's own. ``seconds``: how long it is to be good."""

    pod: str
    uid: str
    audience: str = ""
    seconds: int = USUAL_SECONDS


@dataclass(frozen=True, slots=True)
class Issued:
    """``seconds``: how long it is good, which may be less than was asked for."""

    token: str = field(repr=False)
    seconds: int


def request_content(request: TokenRequest) -> dict[str, Any]:
    bound = {"kind": "Pod", "apiVersion": "v1", "name": request.pod, "uid": request.uid}
    audiences = [request.audience] if request.audience else []
    return {"spec": {"audiences": audiences, "expirationSeconds": request.seconds, "boundObjectRef": bound}}


def read_request(content: Any) -> TokenRequest:
    """Raises:
    MalformedPayload: no TokenRequest for one pod and at most one audience.
    """
    spec = _mapping(content, "content").get("spec")
    spec = _mapping(spec, "content.spec")
    audiences = spec.get("audiences") or []
    if not isinstance(audiences, list) or len(audiences) > 1 or not all(isinstance(one, str) for one in audiences):
        raise MalformedPayload("content.spec.audiences", "expected at most one text")
    bound = _mapping(spec.get("boundObjectRef"), "content.spec.boundObjectRef")
    if bound.get("kind") != "Pod":
        raise MalformedPayload("content.spec.boundObjectRef.kind", "expected Pod")
    name, uid = (_text(bound.get(key), f"content.spec.boundObjectRef.{key}") for key in ("name", "uid"))
    seconds = spec.get("expirationSeconds")
    seconds = USUAL_SECONDS if seconds is None else _seconds(seconds, "content.spec.expirationSeconds")
    return TokenRequest(name, uid, audiences[0] if audiences else "", seconds)


def read_issued(content: Any) -> Issued:
    """Raises:
    MalformedPayload: no TokenRequest that was granted. Its text holds nothing of the content.
    """
    answer = _mapping(content, "content")
    token = _text(_mapping(answer.get("status"), "content.status").get("token"), "content.status.token")
    spec = answer.get("spec")
    seconds = spec.get("expirationSeconds") if isinstance(spec, dict) else None
    return Issued(token, USUAL_SECONDS if seconds is None else _seconds(seconds, "content.spec.expirationSeconds"))


def _mapping(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedPayload(field, "expected an object")
    return value


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _MOST_TEXT:
        raise MalformedPayload(field, "expected text")
    return value


def _seconds(value: Any, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _MOST_SECONDS:
        raise MalformedPayload(field, "expected seconds")
    return value
