"""``edgecore pair``: show a code, and join the site where somebody types it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from edgecore.certs.commands import check_ready, run_join
from edgecore.certs.jointoken import Endpoint, parse_endpoint
from edgecore.config import DEFAULT_FILE
from edgecore.errors import ConfigError, IdentityError
from edgecore.localapi.flags import duration
from edgecore.pairing.asking import GAVE_UP, WRONG, Asking
from edgecore.pairing.site import Site
from viaduct.handshake import HTTPS_PORT
from viaduct.pairing import Invitation, shown_code

_INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    return run_pair(parser().parse_args(arguments[1:]), sys.stdout, sys.stderr)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="edgecore pair",
        description="Show a code, look for sites on the network, and join the one where somebody types: cloudcore pair CODE",
    )
    found.add_argument("--cloud", metavar="HOST[:PORT]", help=f"ask this one only (default port {HTTPS_PORT})")
    found.add_argument("--name", default="", metavar="N", help="the node's name, unless the site gives another (default: as edgecore join)")
    found.add_argument("--hub-port", type=_port, default=0, metavar="PORT", help="CloudHub's port (default: what the site says)")
    found.add_argument("--timeout", type=_duration, default=float("inf"), metavar="TIME", help="give up after e.g. 30m (default: never)")
    found.add_argument("--config", default=DEFAULT_FILE, metavar="FILE", help=f"the config to write or complete (default {DEFAULT_FILE})")
    found.add_argument("--force", action="store_true", help="replace the identity of another node or cluster")
    return found


def run_pair(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """The exit code: 0 joined, 1 not possible or given up, 2 wrong flag or config or an identity that is not to be replaced, 130
    interrupted."""
    try:
        find = finder(args.cloud, "--cloud")
        check_ready(Path(args.config).absolute(), args.name, force=args.force)
    except (ConfigError, IdentityError) as exc:
        err.write(f"edgecore pair: {exc}\n")
        return WRONG

    def join(endpoint: Endpoint, invitation: Invitation) -> int:
        flags = argparse.Namespace(
            cloud=str(endpoint),
            token=invitation.token,
            hub_port=args.hub_port or invitation.hub_port,
            name=invitation.node or args.name,
            config=args.config,
            force=args.force,
        )
        return run_join(flags, out, err)

    try:
        ended = Asking(find, join, _Terminal(out), until=time.monotonic() + args.timeout).run()
    except KeyboardInterrupt:
        err.write("edgecore pair: interrupted; this board has not joined\n")
        return _INTERRUPTED
    if ended == GAVE_UP:
        err.write(f"edgecore pair: nobody let this board in within {args.timeout:g} s\n")
    return ended


def finder(address: str | None, flag: str) -> Callable[[], Sequence[Site]]:
    """Gives the site at ``address``, or whatever announces itself where that is None.

    Raises:
        IdentityError: ``address`` cannot be one; the text begins with ``flag``. ConfigError: this machine cannot look for sites.
    """
    if address is not None:
        site = Site("", (parse_endpoint(address, HTTPS_PORT, flag),))
        return lambda: (site,)
    try:
        from edgecore.pairing.sites import find_sites  # a library that nothing else on the board needs
    except ModuleNotFoundError as exc:
        raise ConfigError(f"{flag}: to look for sites install python3-zeroconf, or give the address of one") from exc
    return find_sites


class _Terminal:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, code: str) -> None:
        shown = shown_code(code)
        self._out.write(f"\npairing code: {shown}\n\nat the site, within 15 minutes:  cloudcore pair {shown}\n\n")
        self._out.flush()

    def say(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._out.flush()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, got {text[:40]!r}")
    return int(text)


def _duration(text: str) -> float:
    seconds = duration(text)
    if not seconds:
        raise argparse.ArgumentTypeError("expected more than no time")
    return seconds
