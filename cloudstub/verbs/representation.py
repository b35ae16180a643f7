"""Objects in the version that a client speaks, where all versions of the kind have one shape (conversion strategy None): only
``apiVersion`` differs, and it stands first in the stored bytes. What a webhook converts comes here converted.
"""

from __future__ import annotations

import json

from cloudstub.kinds.kind import Kind


def served(body: bytes, kind: Kind, version: str) -> bytes:
    """The stored body as ``version`` says it."""
    if body.startswith(_prefix(kind.api_version(version))):
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
