"""The door to ``zeroconf``: while this process lives, boards of the local networks find it (P2.13)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from viaduct.pairing import SERVICE_TYPE

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 30.0
_SPEAK_S = 5.0
_KEY = "modules.cloudhub.announce"
_NAME_LENGTH = 40


def announced_addresses(listening: str, of_this_machine: Sequence[str]) -> list[str]:
    """Where boards reach a listener on the address ``listening``: there, or at every address of this machine that others can dial."""
    address = ipaddress.ip_address(listening)
    if not address.is_unspecified:
        return [listening] if address.version == 4 else []
    return [one for one in of_this_machine if not ipaddress.ip_address(one).is_loopback]


def service_name(host: str, pin: str) -> str:
    """Readable for a person, and not that of another site: ``pin`` is the hash of its CA."""
    name = "".join(character for character in host if character.isalnum() or character in "-_ ")[:_NAME_LENGTH] or "bramble"
    return f"{name} {pin[:8]}.{SERVICE_TYPE}"


async def announce(port: int, pin: str, addresses: Callable[[], Sequence[str]], advertised: Sequence[str] = ()) -> None:
    """Say on the networks of ``addresses``, which are this machine's, that boards enrol at ``port`` there or at those ``advertised``; anew
    whenever ``addresses`` gives others. Goes on until cancelled, and is withdrawn then. Where nothing can be said one warning is all that
    comes of it.
    """
    others = [one for one in advertised if ipaddress.ip_address(one).version == 4]
    try:
        from zeroconf import Error
    except ModuleNotFoundError:
        logger.warning("%s: boards do not find this site by themselves: install python3-zeroconf", _KEY)
        return
    logging.getLogger("zeroconf").setLevel(logging.ERROR)  # it warns of each packet that a network does not take
    speaker: AsyncZeroconf | None = None
    said: list[str] = []
    warned = False
    try:
        while True:
            here = list(addresses())
            if speaker is None or here != said:
                await _withdraw(speaker)
                speaker, said = None, here
                try:
                    speaker = await _speak(port, pin, here, others)
                except (OSError, RuntimeError, TimeoutError, Error) as exc:
                    logger.log(logging.DEBUG if warned else logging.WARNING, "%s: boards do not find this site by mDNS now: %s", _KEY, exc)
                    warned = True
            await asyncio.sleep(LOOK_AGAIN_S)
    finally:
        await _withdraw(speaker)


async def _speak(port: int, pin: str, here: list[str], others: list[str]) -> AsyncZeroconf:
    """Raises: OSError, zeroconf.Error: the network does not carry it."""
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    if not here:
        raise OSError("this machine has no network")
    speaker = AsyncZeroconf(interfaces=here, ip_version=IPVersion.V4Only)
    try:
        # A host name of its own: this machine's may be told by avahi or systemd-resolved already.
        server = f"bramble-{pin[:8]}.local."
        name = service_name(socket.gethostname(), pin)
        reached = list(dict.fromkeys([*others, *here]))
        info = AsyncServiceInfo(SERVICE_TYPE, name, port=port, parsed_addresses=reached, server=server)
        async with asyncio.timeout(_SPEAK_S):
            await (await speaker.async_register_service(info, allow_name_change=True))
    except BaseException:
        await _withdraw(speaker)
        raise
    logger.info("boards find this site by mDNS at %s port %d", ", ".join(reached), port)
    return speaker


async def _withdraw(speaker: AsyncZeroconf | None) -> None:
    if speaker is not None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_SPEAK_S):
                await speaker.async_close()
