"""``cloudcore pair CODE``: let in the board that shows CODE."""

from __future__ import annotations

import argparse
import time
from typing import Any

from cloudcore.errors import IdentityError
from cloudcore.pki.commands import add_cluster_flags, ttl
from cloudcore.pki.identity import open_identity
from cloudcore.pki.kubesecrets import KubeObjects
from cloudcore.pki.signing import check_node_name
from cloudcore.pki.table import date
from viaduct.pairing import read_code, shown_code


def add_pair_parser(subparsers: Any) -> None:
    """Add ``pair`` to the result of ``ArgumentParser.add_subparsers()``. Sets ``args.run``."""
    pair = subparsers.add_parser(
        "pair",
        help="let in the board that shows CODE",
        description="Let in the board that shows CODE (edgecore pair, or an SD card without a token): it gets a join token for one use.",
    )
    pair.add_argument("code", type=_code, metavar="CODE", help="as the board shows it, such as KXQ7-M4TH")
    pair.add_argument("--name", type=_name, metavar="NODE", help="what the node is called (default: as the board calls itself)")
    pair.add_argument("--ttl", type=ttl, default=900, metavar="TIME", help="how long to wait for the board, e.g. 15m, 2h (default 15m)")
    add_cluster_flags(pair, run_pair)


async def run_pair(args: argparse.Namespace, kube: KubeObjects) -> str:
    """Do what the parsed arguments ask for; the text to print.

    Raises:
        IdentityError: too many boards are expected. KubeError: the API failed.
    """
    node = args.name or ""
    now = time.time()
    identity = await open_identity(kube, now=now)
    pairing = await identity.expected.lay(args.code, args.ttl, node=node, now=now)
    who = f"the board that shows {shown_code(pairing.code)}"
    return (
        f"{who} is expected until {date(pairing.expires)}{f' and will be node {node}' if node else ''}\n"
        f"it joins within seconds when it reaches this site; see kubectl get nodes\n"
        f"to take this back: cloudcore token delete {pairing.token_id}"
    )


def _name(text: str) -> str:
    try:
        check_node_name(text, of="NODE")
    except IdentityError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
    return text


def _code(text: str) -> str:
    try:
        return read_code(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
