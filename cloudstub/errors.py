"""What the API refuses, as Kubernetes says it: every error becomes a ``Status`` object (meta/v1) with code and reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    429: "TooManyRequests",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class CloudstubError(Exception):
    """Root of cloudstub's errors."""


class ConfigError(CloudstubError):
    """A setting that cannot be used; the message begins with its full key."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault in an object: ``path`` as Kubernetes writes it (``spec.template.spec.containers[0].image``)."""

    path: str
    message: str
    reason: str = "FieldValueInvalid"


class ApiError(CloudstubError):
    """An answer other than success."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or {}


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class Gone(ApiError):
    """The resourceVersion asked for is compacted: list again."""

    code, reason = 410, "Expired"


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    """The object does not hold to its schema or its kind's rules; ``fields`` says where."""

    code, reason = 422, "Invalid"

    def __init__(self, message: str, *, fields: Sequence[FieldError] = (), details: dict[str, Any] | None = None) -> None:
        super().__init__(message, details=details)
        self.fields = tuple(fields)


class Backend(ApiError):
    """What the kubelet of a node answered, or that it could not be reached; ``code`` as HTTP has them."""

    def __init__(self, message: str, *, code: int = 502) -> None:
        super().__init__(message)
        self.code = code
        self.reason = _REASONS.get(code, "InternalError" if code >= 500 else "BadRequest")


class StorageFull(ApiError):
    """The disk refused the write; nothing was changed."""

    code, reason = 507, "InsufficientStorage"


class RequestTimeout(ApiError):
    """The client did not send in time what it announced."""

    code, reason = 408, "Timeout"
