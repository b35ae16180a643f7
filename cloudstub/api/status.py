"""Answers other than objects: the Status of meta/v1."""

from __future__ import annotations

from typing import Any

from cloudstub.errors import ApiError, Invalid

Status = dict[str, Any]


def failure(error: ApiError) -> Status:
    """An error in Kubernetes' shape."""
    details = dict(error.details)
    if isinstance(error, Invalid) and error.fields:
        details["causes"] = [{"reason": f.reason, "message": f.message, "field": f.path} for f in error.fields]
    if error.code == 429:
        details["retryAfterSeconds"] = 1
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
        **({"details": details} if details else {}),
        "code": error.code,
    }


def success(details: dict[str, Any] | None = None) -> Status:
    """It was done, and there is no object to show."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        **({"details": details} if details else {}),
    }
