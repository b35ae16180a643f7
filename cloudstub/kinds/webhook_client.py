"""Where a webhook is reached (``clientConfig`` of apiextensions and admissionregistration): read, and what is wrong with one."""

from __future__ import annotations

import base64
import binascii
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cloudstub.errors import FieldError
from cloudstub.kinds.faults import forbidden, invalid, required, wrong_type

DEFAULT_PORT = 443


@dataclass(frozen=True, slots=True)
class Client:
    """``url`` of the webhook, or ``service`` as (namespace, name) with ``port`` and ``path``. ``ca_pem`` "": the system's roots."""

    url: str = ""
    service: tuple[str, str] | None = None
    port: int = DEFAULT_PORT
    path: str = "/"
    ca_pem: str = ""


def client_of(config: dict[str, Any]) -> Client:
    """From a ``clientConfig`` without faults."""
    ca_pem = base64.b64decode(config.get("caBundle") or "").decode("ascii")
    service = config.get("service")
    if not service:
        return Client(config["url"], ca_pem=ca_pem)
    path = "/" + (service.get("path") or "").removeprefix("/")
    return Client("", (service["namespace"], service["name"]), service.get("port") or DEFAULT_PORT, path, ca_pem)


def client_errors(config: Any, path: str) -> list[FieldError]:
    """What keeps ``config`` from naming a webhook; ``path`` is where it stands."""
    if not isinstance(config, dict):
        return [required(path, "exactly one of url or service is required")]
    url, service = config.get("url"), config.get("service")
    if bool(url) == bool(service):
        return [required(path, "exactly one of url or service is required")]
    found = _url_errors(url, f"{path}.url") if url else _service_errors(service, f"{path}.service")
    return found + _bundle_errors(config.get("caBundle"), f"{path}.caBundle")


def _url_errors(url: Any, path: str) -> list[FieldError]:
    if not isinstance(url, str):
        return [wrong_type(path, url, "a string")]
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        return [invalid(path, url, f"url must be a valid URL: {exc}")]
    if parts.scheme != "https":
        return [invalid(path, url, f"'https' is the only allowed URL scheme; desired format: https://host[/path], got {parts.scheme!r}")]
    if not parts.hostname:
        return [invalid(path, url, "host must be specified; desired format: https://host[/path]")]
    unwanted = {"user information": parts.username, "fragments": parts.fragment, "query parameters": parts.query}
    return [forbidden(path, f"{what} are not permitted in the URL") for what, there in unwanted.items() if there]


def _service_errors(service: Any, path: str) -> list[FieldError]:
    if not isinstance(service, dict):
        return [wrong_type(path, service, "an object")]
    named = [required(f"{path}.{f}") for f in ("namespace", "name") if not isinstance(service.get(f), str) or not service[f]]
    port = service.get("port", DEFAULT_PORT)
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        named.append(invalid(f"{path}.port", port, "must be between 1 and 65535, inclusive"))
    where = service.get("path")
    if where is not None and (not isinstance(where, str) or not where.startswith("/") or {"?", "#"} & set(where) or "//" in where):
        named.append(invalid(f"{path}.path", where, "must be a path that begins with '/'"))
    return named


def _bundle_errors(bundle: Any, path: str) -> list[FieldError]:
    if bundle in (None, ""):
        return []
    try:
        pem = base64.b64decode(bundle, validate=True).decode("ascii")
        ssl.create_default_context(cadata=pem)
    except (binascii.Error, TypeError, ValueError, ssl.SSLError):
        return [invalid(path, "…", "unable to load root certificates: must be base64 of certificates in PEM")]
    return []
