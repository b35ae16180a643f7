"""Cluster addresses for services, from 10.96.0.0/12."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from cloudstub.errors import FieldError, StorageFull
from cloudstub.kinds.faults import invalid
from cloudstub.store.records import Object

NETWORK = ipaddress.IPv4Network("10.96.0.0/12")
FIRST_DYNAMIC = 256
"""Lower ones are left for those who choose their address by hand."""


def cluster_ip(service: Object) -> str:
    return str((service.get("spec") or {}).get("clusterIP") or "")


class ClusterAddresses:
    """Chooses free addresses. Which are taken is read from the services, so nothing can leak."""

    def __init__(self) -> None:
        self._next = FIRST_DYNAMIC

    def allocate(self, taken: Iterable[str]) -> str:
        """A free address.

        Raises:
            StorageFull: there is none.
        """
        used = set(taken)
        for _ in range(NETWORK.num_addresses - FIRST_DYNAMIC - 1):
            candidate = str(NETWORK[self._next])
            self._next = self._next + 1 if self._next + 2 < NETWORK.num_addresses else FIRST_DYNAMIC
            if candidate not in used:
                return candidate
        raise StorageFull(f"no free cluster address in {NETWORK}")


def address_errors(address: str, taken: Iterable[str]) -> list[FieldError]:
    """Faults of an address that the client chose."""
    if address in ("", "None"):
        return []
    if ipaddress.ip_address(address) not in NETWORK:
        why = f"failed to allocate IP {address}: the provided IP is not in the valid range {NETWORK}"
        return [invalid("spec.clusterIPs", [address], why)]
    if address in set(taken):
        return [invalid("spec.clusterIPs", [address], f"failed to allocate IP {address}: provided IP is already allocated")]
    return []
