"""A server certificate of the site's CA for the harness itself, made from the CA's Secret as only the site's administrator can."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

from cloudcore.pki.authority import CA_SECRET, Authority
from cloudcore.pki.certificates import Signer
from cloudcore.pki.ports import NAMESPACE
from demo.parts import Site


def server_papers(site: Site, folder: Path) -> Path:
    """One PEM file with certificate and key for 127.0.0.1."""
    secret = json.loads(site.kubectl("get", "secret", CA_SECRET, "-n", NAMESPACE, "-o", "json"))["data"]
    signer = Signer(base64.b64decode(secret["cadata"]), base64.b64decode(secret["cakeydata"]))
    made = folder / "tap.pem"
    made.touch(0o600)
    made.write_bytes(Authority(signer).make_server(["127.0.0.1"], now=time.time()))
    return made
