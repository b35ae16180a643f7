"""Pod documents for tests."""

from __future__ import annotations

from typing import Any


def container(name: str = "web", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "localhost/web:1", **fields}


def pod(
    *containers: dict[str, Any], name: str = "web-0", uid: str = "0d2c7a4e-1", metadata: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": uid, **(metadata or {})},
        "spec": {"containers": list(containers) or [container()], **spec},
    }
