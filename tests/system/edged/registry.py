"""Debian's ``docker-registry`` on loopback behind a private CA, for tests."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fakes.podman import Podman
from tests.system.edged.conftest import free_port

USER, PASSWORD = "bramble", "s3cret"
HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n"
AUTH = "auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}"
CONFIG = """
version: 0.1
log: {{accesslog: {{disabled: true}}, level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
{auth}
http: {{addr: "127.0.0.1:{port}", tls: {{certificate: {folder}/server.crt, key: {folder}/server.key}}}}
"""


@dataclass
class Registry:
    port: int
    folder: Path

    def name(self, tag: str = ":1") -> str:
        return f"127.0.0.1:{self.port}/app{tag}"

    def secret(self, password: str = PASSWORD) -> dict[str, Any]:
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        config = json.dumps({"auths": {f"127.0.0.1:{self.port}": {"auth": auth}}})
        return {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": base64.b64encode(config.encode()).decode()}}


def certificate(folder: Path, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None) -> Any:
    """A CA, or a server's certificate signed by ``issuer``, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder.add_extension(alternative, critical=False)
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return made, key


@contextmanager
def serving(folder: Path, *, locked: bool) -> Iterator[Registry]:
    """``locked``: open to who has the password alone."""
    made = Registry(free_port(), folder)
    certificate(folder, "server", certificate(folder, "ca"))
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = AUTH.format(folder=folder) if locked else ""
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=made.port, auth=auth))
    process = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", made.port)):
            assert process.poll() is None and time.monotonic() < deadline, "the registry does not answer"
            time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(10)


def trusting(registry: Registry) -> Podman:
    """A board that knows the registry's CA from its start."""
    made = Podman()
    made.engine.stop()
    (made.root / "registry-ca").mkdir()
    (made.root / "registry-ca" / "ca.crt").write_bytes((registry.folder / "ca.crt").read_bytes())
    trusted = registry.folder / "trusted"
    trusted.mkdir()
    (trusted / "ca.crt").write_bytes((registry.folder / "ca.crt").read_bytes())
    return made
