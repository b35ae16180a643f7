"""A kubeconfig file for an administrator: where the server is, whom to trust, who we are."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import yaml

NAME = "cloudstub"


def write_kubeconfig(path: Path, url: str, ca: bytes, token: str) -> None:
    """Write the file, mode 0600, whole or not at all. ``ca`` is PEM."""
    authority = base64.b64encode(ca).decode()
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": "admin"}}],
        "current-context": NAME,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(value, file, sort_keys=False)
    draft.replace(path)
