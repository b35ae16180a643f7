"""What the agent may do about its certificate and the time: it asks a short-lived process, so that it never loads ``cryptography``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgecore.certs.files import IdentityFiles, settle, stored_identity
from edgecore.certs.identity import NodeIdentity
from edgecore.certs.jointoken import Endpoint, parse_endpoint
from edgecore.config import EdgeHub
from edgecore.errors import IdentityError
from viaduct.handshake import HTTPS_PORT

TIME_S = 90.0

_ROOT = Path(__file__).resolve().parents[2]


def files_of(edgehub: EdgeHub) -> IdentityFiles:
    """The files that ``modules.edgehub`` of the config names."""
    return IdentityFiles(Path(edgehub.tls_ca_file), Path(edgehub.tls_cert_file), Path(edgehub.tls_private_key_file))


def enrolment_endpoint(edgehub: EdgeHub) -> Endpoint:
    """Where ``modules.edgehub.httpServer`` points; where it is empty, the usual port at the host of ``websocket.server``."""
    if not edgehub.http_server:
        hub = parse_endpoint(edgehub.websocket.server, HTTPS_PORT, "modules.edgehub.websocket.server")
        return Endpoint(hub.host, HTTPS_PORT)
    return parse_endpoint(edgehub.http_server.removeprefix("https://").rstrip("/"), HTTPS_PORT, "modules.edgehub.httpServer")


def current_identity(files: IdentityFiles) -> NodeIdentity | None:
    """Who this node is, or None where it has not joined yet. Milliseconds, but for the first time with files of another program.

    Raises:
        IdentityError: there is a certificate, and it is not good.
    """
    if not files.certificate.exists():
        return None
    settle(files)
    known = stored_identity(files)
    if known is None:
        _ask(files, action="describe")
    return known or _stored(files, "describe")


def enrol(edgehub: EdgeHub, node: str, token: str) -> NodeIdentity:
    """Get the first certificate with a join token (up to 90 s). Raises: IdentityError."""
    _ask_cloud(edgehub, action="enrol", node=node, token=token)
    return _stored(files_of(edgehub), "enrol")


def renew(edgehub: EdgeHub) -> NodeIdentity:
    """Get another certificate by proof of the present one (up to 90 s). Raises: IdentityError; the old one stays."""
    _ask_cloud(edgehub, action="renew")
    return _stored(files_of(edgehub), "renew")


def ask_time(edgehub: EdgeHub) -> int | None:
    """Epoch seconds, signed by the CA (up to 90 s); None from a cloud that signs none. Raises: IdentityError."""
    signed = _ask_cloud(edgehub, action="time").get("time")
    return signed if isinstance(signed, int) else None


def _ask_cloud(edgehub: EdgeHub, **asked: Any) -> dict[str, Any]:
    cloud = enrolment_endpoint(edgehub)
    return _ask(files_of(edgehub), host=cloud.host, port=cloud.port, **asked)


def _stored(files: IdentityFiles, action: str) -> NodeIdentity:
    identity = stored_identity(files)
    if identity is None:
        raise IdentityError(f"{action}: no certificate came of it")
    return identity


def _ask(files: IdentityFiles, **asked: Any) -> dict[str, Any]:
    question = {"ca": str(files.ca), "certificate": str(files.certificate), "key": str(files.key), **asked}
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "edgecore.certs.enrol"],
            input=json.dumps(question).encode(),
            capture_output=True,
            timeout=TIME_S,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise IdentityError(f"{asked['action']}: not done within {TIME_S:.0f} s") from None
    except (OSError, ValueError) as exc:
        raise IdentityError(f"{asked['action']}: the process for it failed: {exc}") from exc
    if error := answer.get("error"):
        raise IdentityError(str(error))
    return answer
