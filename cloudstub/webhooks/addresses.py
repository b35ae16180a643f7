"""Where a webhook's service is: by its Endpoints, since nothing here routes cluster addresses. Reads the store only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloudstub.kinds.webhook_client import Client
from cloudstub.store.records import Key
from cloudstub.store.store import Store


class Unroutable(Exception):
    """The service is not there, or has nobody behind it."""


def reach(store: Store, client: Client) -> tuple[str, str | None]:
    """(URL to call, name that the certificate must have; None: the URL's own).

    Raises:
        Unroutable: there is no such service, port or address.
    """
    if client.service is None:
        return client.url, None
    namespace, name = client.service
    service = store.get(Key("services", namespace, name))
    if service is None:
        raise Unroutable(f'service "{name}" of namespace "{namespace}" not found')
    spec = service.value.get("spec") or {}
    certified = f"{name}.{namespace}.svc"
    if spec.get("type") == "ExternalName" and spec.get("externalName"):
        return f"https://{spec['externalName']}:{client.port}{client.path}", certified
    port = next((port for port in spec.get("ports") or () if port.get("port") == client.port), None)
    if port is None:
        raise Unroutable(f'service "{name}" of namespace "{namespace}" has no port {client.port}')
    endpoints = store.get(Key("endpoints", namespace, name))
    found = next(_addresses(endpoints.value if endpoints is not None else {}, port), None)
    if found is None:
        raise Unroutable(f'no endpoints available for service "{name}" of namespace "{namespace}"')
    return f"https://{found}{client.path}", certified


def _addresses(endpoints: dict[str, Any], port: dict[str, Any]) -> Iterator[str]:
    for subset in endpoints.get("subsets") or ():
        numbers = [p.get("port") for p in subset.get("ports") or () if (p.get("name") or "") == (port.get("name") or "")]
        for address in subset.get("addresses") or ():
            if numbers and address.get("ip"):
                ip = str(address["ip"])
                yield f"[{ip}]:{numbers[0]}" if ":" in ip else f"{ip}:{numbers[0]}"
