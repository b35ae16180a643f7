"""The door to ``zeroconf``: which sites announce themselves on the networks of this board (P2.13)."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence

from zeroconf import DNSQuestionType, Error, InterfaceChoice, IPVersion, ServiceBrowser, ServiceStateChange, Zeroconf

from edgecore.certs.jointoken import Endpoint
from edgecore.errors import PairingError
from edgecore.pairing.course import ADDRESSES_LIMIT, SITES_LIMIT
from edgecore.pairing.site import Site
from viaduct.pairing import SERVICE_TYPE

LOOK_S = 2.0

_ALOUD = DNSQuestionType.QM
"""Answers come by multicast. One to this board alone goes to whichever program on it has port 5353 too: systemd-resolved, or a site."""
_RESOLVE_MS = 1000
_NAMES_LIMIT = 64
_NAME_LENGTH = 63


def find_sites(interfaces: Sequence[str] | None = None, look_s: float = LOOK_S) -> list[Site]:
    """Those that answer within ``look_s``; ``interfaces`` are addresses of this board, None for all that it has at this moment.

    Raises:
        PairingError: no network here carries multicast.
    """
    logging.getLogger("zeroconf").setLevel(logging.ERROR)  # it warns of each packet that a network does not take
    try:
        multicast = Zeroconf(interfaces=InterfaceChoice.All if interfaces is None else list(interfaces), ip_version=IPVersion.V4Only)
        try:
            return _looked(multicast, look_s)
        finally:
            multicast.close()
    except (OSError, RuntimeError, Error) as exc:
        raise PairingError(f"sites cannot be looked for on this network ({exc}); with the address of one: --cloud HOST") from exc


def _looked(multicast: Zeroconf, look_s: float) -> list[Site]:
    names: set[str] = set()

    def heard(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is not ServiceStateChange.Removed and len(names) < _NAMES_LIMIT:
            names.add(name)

    ServiceBrowser(multicast, SERVICE_TYPE, handlers=[heard], question_type=_ALOUD)
    time.sleep(look_s)
    # By chance, so that nobody who announces many keeps the others out for good.
    chosen = random.sample(sorted(names), min(len(names), SITES_LIMIT))
    found = (_site(multicast, name) for name in chosen)
    return [site for site in found if site is not None]


def _site(multicast: Zeroconf, name: str) -> Site | None:
    info = multicast.get_service_info(SERVICE_TYPE, name, timeout=_RESOLVE_MS, question_type=_ALOUD)
    if info is None or not info.port:
        return None
    addresses = info.parsed_addresses(IPVersion.V4Only)[:ADDRESSES_LIMIT]
    called = name.removesuffix("." + SERVICE_TYPE)[:_NAME_LENGTH]
    readable = "".join(character if character.isprintable() else "?" for character in called)
    return Site(readable, tuple(Endpoint(address, info.port) for address in addresses)) if addresses else None
