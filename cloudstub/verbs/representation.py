"""Objects in the version that a client speaks. All versions of a kind have one shape (conversion strategy None), so only
``apiVersion`` differs, and it stands first in the stored bytes.
"""

from __future__ import annotations

import json

from cloudstub.kinds.kind import Kind


def served(body: bytes, kind: Kind, version: str) -> bytes:
    """The stored body as ``version`` says it."""
    if version == kind.storage:
        return body
    stored_prefix = _prefix(kind.api_version(kind.storage))
    if body.startswith(stored_prefix):
        return _prefix(kind.api_version(version)) + body[len(stored_prefix) :]
    # Stored before the definition's storage version was changed.
    value = json.loads(body)
    value["apiVersion"] = kind.api_version(version)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _prefix(api_version: str) -> bytes:
    return f'{{"apiVersion":"{api_version}"'.encode()
