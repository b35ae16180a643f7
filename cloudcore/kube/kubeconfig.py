"""Where the Kubernetes API is and how to be let in: a kubeconfig file, or the service account of a pod."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import componentconfig.errors
from cloudcore.errors import ConfigError
from componentconfig import file as configfile
from componentconfig.suggestion import shown

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """``server`` is a URL. PEM texts are empty where not given; secrets never show in ``repr``. ``token_file`` is read again
    each minute, since the tokens of service accounts expire."""

    server: str
    ca_pem: str = field(default="", repr=False)
    insecure: bool = False
    server_name: str = ""
    token: str = field(default="", repr=False)
    token_file: str = ""
    certificate_pem: str = field(default="", repr=False)
    key_pem: str = field(default="", repr=False)


def find_access(kubeconfig: str = "", master: str = "", environ: Mapping[str, str] = os.environ) -> Access:
    """The way in: the file named, else ``$KUBECONFIG``, else a pod's service account, else ``~/.kube/config``, else ``master`` alone.

    Raises:
        ConfigError: a file that is missing, unreadable or incomplete; or no way at all.
    """
    path = kubeconfig or environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if path:
        return _with_master(read_kubeconfig(Path(path)), master)
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return _with_master(in_cluster(environ), master)
    home = Path(environ.get("HOME", "/root")) / ".kube" / "config"
    if home.exists():
        return _with_master(read_kubeconfig(home), master)
    if master:
        return Access(_url(master, "kubeAPIConfig.master"))
    raise ConfigError(
        "kubeAPIConfig.kubeConfig: no kubeconfig is named, $KUBECONFIG is not set, this is no pod and ~/.kube/config is not there"
    )


def in_cluster(environ: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> Access:
    """The service account that Kubernetes mounts into a pod."""
    host = environ["KUBERNETES_SERVICE_HOST"]
    port = environ.get("KUBERNETES_SERVICE_PORT", "443")
    token_file = account / "token"
    _read(token_file, "service account token")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_pem=_read(account / "ca.crt", "service account ca.crt"),
        token_file=str(token_file),
    )


def read_kubeconfig(path: Path, context: str = "") -> Access:
    """The access that ``context`` (or the file's current one) describes.

    Raises:
        ConfigError: names the file and the key at fault.
    """
    try:
        content = configfile.load(path)
    except componentconfig.errors.ConfigError as exc:
        raise ConfigError(*(f"kubeconfig {problem}" for problem in exc.problems)) from exc
    if not isinstance(content, dict):
        raise ConfigError(f"kubeconfig {path}: expected a mapping")
    return access_of(content, path, context)


def access_of(content: Mapping[str, Any], path: Path, context: str = "") -> Access:
    """As ``read_kubeconfig``, for a file already parsed; relative file names are beside ``path``."""
    where = f"kubeconfig {path}"
    name = context or content.get("current-context") or ""
    if not name:
        raise ConfigError(f"{where}: current-context: is not set")
    chosen = _named(content, "contexts", "context", name, where)
    cluster = _named(content, "clusters", "cluster", chosen.get("cluster", ""), where)
    user = _named(content, "users", "user", chosen["user"], where) if chosen.get("user") else {}
    for key in ("exec", "auth-provider", "username"):
        if key in user:
            raise ConfigError(f"{where}: users[{chosen['user']}].user.{key}: is not supported; give a token or a client certificate")
    access = Access(
        server=_url(cluster.get("server", ""), f"{where}: clusters[{chosen['cluster']}].cluster.server"),
        ca_pem=_pem(cluster, "certificate-authority", path, where),
        insecure=bool(cluster.get("insecure-skip-tls-verify", False)),
        server_name=str(cluster.get("tls-server-name") or ""),
        token=str(user.get("token") or ""),
        token_file=_beside(path, user["tokenFile"]) if user.get("tokenFile") else "",
        certificate_pem=_pem(user, "client-certificate", path, where),
        key_pem=_pem(user, "client-key", path, where),
    )
    if bool(access.certificate_pem) != bool(access.key_pem):
        raise ConfigError(f"{where}: users[{chosen['user']}].user: client-certificate and client-key go together")
    return access


def _with_master(access: Access, master: str) -> Access:
    return replace(access, server=_url(master, "kubeAPIConfig.master")) if master else access


def _url(text: Any, where: str) -> str:
    parts = urlsplit(str(text))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"{where}: expected http(s)://host:port, got {shown(text)}")
    return str(text).rstrip("/")


def _named(content: Mapping[str, Any], section: str, key: str, name: str, where: str) -> dict[str, Any]:
    entries = content.get(section)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name:
            value = entry.get(key)
            if isinstance(value, dict):
                return value
            raise ConfigError(f"{where}: {section}[{name}].{key}: expected a mapping")
    raise ConfigError(f"{where}: {section}: has no entry named {shown(name)}")


def _pem(part: Mapping[str, Any], key: str, path: Path, where: str) -> str:
    data = part.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(str(data), validate=True).decode("ascii")
        except (binascii.Error, ValueError) as exc:
            raise ConfigError(f"{where}: {key}-data: not base64 of a PEM text") from exc
    return _read(Path(_beside(path, part[key])), key) if part.get(key) else ""


def _beside(path: Path, name: Any) -> str:
    return str(path.parent / str(name))


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"{what} {path}: {exc.strerror}") from exc
    if len(content) > _MAX_FILE_BYTES:
        raise ConfigError(f"{what} {path}: larger than {_MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{what} {path}: not a text file") from exc
