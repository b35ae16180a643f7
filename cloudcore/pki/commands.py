"""``cloudcore token create|list|delete``: what they take and what they answer."""

from __future__ import annotations

import argparse
import time
from typing import Any

from cloudcore.errors import IdentityError
from cloudcore.pki.identity import open_identity
from cloudcore.pki.kubesecrets import KubeObjects
from cloudcore.pki.table import date, table
from cloudcore.pki.tokens import TokenRecord, parse_ttl


def add_token_parser(subparsers: Any) -> None:
    """Add ``token`` to the result of ``ArgumentParser.add_subparsers()``. Sets ``args.run``."""
    token = subparsers.add_parser("token", help="make, list and delete the tokens with which boards join")
    commands = token.add_subparsers(dest="token_command", required=True, metavar="create|list|delete")
    create = commands.add_parser("create", help="make a join token and print it; it is kept nowhere")
    create.add_argument("--ttl", type=ttl, default=86_400, metavar="TIME", help="how long it is good, e.g. 30m, 24h, 7d (default 24h)")
    create.add_argument("--one-time", action="store_true", help="good for one board only")
    listing = commands.add_parser("list", help="print the register of tokens")
    delete = commands.add_parser("delete", help="refuse a token from now on")
    delete.add_argument("id", metavar="ID", help="as printed by token list")
    for parser in (create, listing, delete):
        add_cluster_flags(parser, run_token)


def add_cluster_flags(parser: Any, run: Any) -> None:
    """What every command that speaks with the cluster takes. ``run(args, kube)`` gives the text to print."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="the cluster (default: the one in CloudCore's config)")
    parser.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="CloudCore's config")
    parser.set_defaults(run=run)


async def run_token(args: argparse.Namespace, kube: KubeObjects) -> str:
    """Do what the parsed arguments ask for; the text to print.

    Raises:
        IdentityError: no such token. KubeError: the API failed.
    """
    now = time.time()
    identity = await open_identity(kube, now=now)
    if args.token_command == "create":
        _, text = await identity.tokens.create(args.ttl, one_time=args.one_time, now=now)
        return text
    if args.token_command == "list":
        return token_table(await identity.tokens.list(), now)
    if not await identity.tokens.delete(args.id):
        raise IdentityError(f"token {args.id[:64]}: there is none of that id; cloudcore token list shows them")
    return f"token {args.id} deleted"


def token_table(records: list[TokenRecord], now: float) -> str:
    """The register for a person to read."""
    return table(("ID", "CREATED", "EXPIRES", "USE", "STATE"), [_row(record, now) for record in records])


def _row(record: TokenRecord, now: float) -> tuple[str, ...]:
    use = ("one-time" if record.one_time else "many") + (f" for {record.node}" if record.node else "")
    return record.id, date(record.created), date(record.expires), use, _state(record, now)


def _state(record: TokenRecord, now: float) -> str:
    if record.used_by:
        return f"used by {record.used_by}"
    return "expired" if record.expires <= now else "good"


def ttl(text: str) -> int:
    """For a flag."""
    try:
        return parse_ttl(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
