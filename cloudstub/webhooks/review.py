"""AdmissionReview (admission.k8s.io/v1): the question to a webhook, and what its answer means. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from cloudstub.errors import ApiError, Forbidden
from cloudstub.kinds.kind import Kind, Object
from cloudstub.kinds.webhook_rules import Asked

_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
WARNING_LIMIT = 4096


class Unreadable(ValueError):
    """The answer is not one; the text says why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about: ``new`` None for a deletion, ``old`` None for a creation, both as ``version`` of ``kind``."""

    kind: Kind
    version: str
    asked: Asked
    namespace: str
    name: str
    new: Object | None
    old: Object | None
    user: Object
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """``patch``: a JSON patch, None where nothing is to change."""

    allowed: bool
    patch: Any = None
    message: str = ""
    code: int = 403
    reason: str = ""
    warnings: tuple[str, ...] = ()


def question(uid: str, subject: Subject) -> Object:
    kind, asked = subject.kind, subject.asked
    request: Object = {
        "uid": uid,
        "kind": _gvk(kind, subject.version),
        "resource": _gvr(kind, subject.version),
        "requestKind": _gvk(kind, asked.version),
        "requestResource": _gvr(kind, asked.version),
        "name": subject.name,
        "operation": asked.operation,
        "userInfo": subject.user,
        "object": subject.new,
        "oldObject": subject.old,
        "dryRun": subject.dry_run,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": _OPTIONS[asked.operation]} | ({"dryRun": ["All"]} if subject.dry_run else {}),
    }
    if subject.namespace:
        request["namespace"] = subject.namespace
    if asked.subresource:
        request |= {"subResource": asked.subresource, "requestSubResource": asked.subresource}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _gvk(kind: Kind, version: str) -> Object:
    return {"group": kind.group, "version": version, "kind": kind.kind}


def _gvr(kind: Kind, version: str) -> Object:
    return {"group": kind.group, "version": version, "resource": kind.plural}


def verdict(answer: Any, uid: str, *, may_patch: bool) -> Verdict:
    """What the webhook decided.

    Raises:
        Unreadable: it did not.
    """
    response = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise Unreadable("webhook response.response is missing")
    if response.get("uid") != uid:
        raise Unreadable(f"expected response.uid={uid}")
    if not isinstance(response.get("allowed"), bool):
        raise Unreadable("response.allowed must be true or false")
    status = response.get("status") if isinstance(response.get("status"), dict) else {}
    assert isinstance(status, dict)
    said = response.get("warnings") or ()
    warnings = tuple(text[:WARNING_LIMIT] for text in said if isinstance(text, str)) if isinstance(said, list | tuple) else ()
    code = status.get("code")
    return Verdict(
        allowed=response["allowed"],
        patch=_patch(response) if may_patch and response["allowed"] else None,
        message=str(status.get("message") or status.get("reason") or ""),
        code=code if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600 else 403,
        reason=str(status.get("reason") or ""),
        warnings=warnings,
    )


def _patch(response: Object) -> Any:
    text = response.get("patch")
    if not text:
        return None
    if response.get("patchType") != "JSONPatch":
        raise Unreadable(f"unsupported patch type {str(response.get('patchType'))[:60]!r}: expected JSONPatch")
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, TypeError, ValueError, RecursionError) as exc:
        raise Unreadable("response.patch is not base64 of JSON") from exc


def refusal(webhook: str, said: Verdict) -> ApiError:
    """The error that the client gets for a denied request."""
    prefix = f'admission webhook "{webhook}" denied the request'
    error = Forbidden(f"{prefix}: {said.message}" if said.message else f"{prefix} without explanation")
    error.code, error.reason = said.code, said.reason if said.reason and " " not in said.reason else _reason(said.code)
    return error


def _reason(code: int) -> str:
    return {400: "BadRequest", 403: "Forbidden", 409: "Conflict", 422: "Invalid"}.get(code, "Forbidden" if code < 500 else "InternalError")
