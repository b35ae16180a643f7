"""What the agent may do about its certificate: it asks a short-lived process, so that it never loads ``cryptography`` itself."""

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
    """Where ``modules.edgehub.httpServer`` points."""
    return parse_endpoint(edgehub.http_server.removeprefix("https://").rstrip("/"), HTTPS_PORT, "modules.edgehub.httpServer")


def current_identity(files: IdentityFiles) -> NodeIdentity | None:
    """Who this node is, or None where it has not joined yet. Milliseconds, but for the first time with files of another program.

    Raises:
        IdentityError: there is a certificate, and it is not good.
    """
    if not files.certificate.exists():
        return None
    settle(files)
    return stored_identity(files) or _ask(files, action="describe")


def enrol(edgehub: EdgeHub, node: str, token: str) -> NodeIdentity:
    """Get the first certificate with a join token (up to 90 s). Raises: IdentityError."""
    cloud = enrolment_endpoint(edgehub)
    return _ask(files_of(edgehub), action="enrol", host=cloud.host, port=cloud.port, node=node, token=token)


def renew(edgehub: EdgeHub) -> NodeIdentity:
    """Get another certificate by proof of the present one (up to 90 s). Raises: IdentityError; the old one stays."""
    cloud = enrolment_endpoint(edgehub)
    return _ask(files_of(edgehub), action="renew", host=cloud.host, port=cloud.port)


def _ask(files: IdentityFiles, **asked: Any) -> NodeIdentity:
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
        error = json.loads(done.stdout).get("error", "")
    except subprocess.TimeoutExpired:
        raise IdentityError(f"{asked['action']}: not done within {TIME_S:.0f} s") from None
    except (OSError, ValueError) as exc:
        raise IdentityError(f"{asked['action']}: the process for it failed: {exc}") from exc
    identity = stored_identity(files)
    if error or identity is None:
        raise IdentityError(error or f"{asked['action']}: no certificate came of it")
    return identity
