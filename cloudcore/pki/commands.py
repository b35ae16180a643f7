"""``cloudcore token create|list|delete`` and ``cloudcore revoke NODE``: what they take and what they answer."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from typing import Any

from cloudcore.errors import IdentityError
from cloudcore.pki.identity import open_identity
from cloudcore.pki.kubesecrets import KubeObjects
from cloudcore.pki.signing import check_node_name
from cloudcore.pki.tokens import TokenRecord, parse_ttl


def add_token_parser(subparsers: Any) -> None:
    """Add ``token`` and ``revoke`` to the result of ``ArgumentParser.add_subparsers()``. Sets ``args.token_command``."""
    token = subparsers.add_parser("token", help="make, list and delete the tokens with which boards join")
    commands = token.add_subparsers(dest="token_command", required=True, metavar="create|list|delete")
    create = commands.add_parser("create", help="make a join token and print it; it is kept nowhere")
    create.add_argument("--ttl", type=_ttl, default=86_400, metavar="TIME", help="how long it is good, e.g. 30m, 24h, 7d (default 24h)")
    create.add_argument("--one-time", action="store_true", help="good for one board only")
    listing = commands.add_parser("list", help="print the register of tokens")
    delete = commands.add_parser("delete", help="refuse a token from now on")
    delete.add_argument("id", metavar="ID", help="as printed by token list")
    revoke = subparsers.add_parser("revoke", help="refuse every certificate that a node has been given so far")
    revoke.add_argument("node", metavar="NODE")
    revoke.set_defaults(token_command="revoke")
    for parser in (create, listing, delete, revoke):
        parser.add_argument("--kubeconfig", metavar="FILE", help="the cluster (default: the one in CloudCore's config)")
        parser.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="CloudCore's config")


async def run_token(args: argparse.Namespace, kube: KubeObjects) -> str:
    """Do what the parsed arguments ask for; the text to print.

    Raises:
        IdentityError: no such token or no such name. KubeError: the API failed.
    """
    now = time.time()
    identity = await open_identity(kube, now=now)
    if args.token_command == "create":
        _, text = await identity.tokens.create(args.ttl, one_time=args.one_time, now=now)
        return text
    if args.token_command == "list":
        return token_table(await identity.tokens.list(), now)
    if args.token_command == "delete":
        if not await identity.tokens.delete(args.id):
            raise IdentityError(f"token {args.id[:64]}: there is none of that id; cloudcore token list shows them")
        return f"token {args.id} deleted"
    check_node_name(args.node)
    await identity.revocations.revoke(args.node, now=now)
    return f"node {args.node} revoked; it may come back with a join token"


def token_table(records: list[TokenRecord], now: float) -> str:
    """The register for a person to read. Times in UTC."""
    rows = [("ID", "CREATED", "EXPIRES", "USE", "STATE"), *(_row(record, now) for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _row(record: TokenRecord, now: float) -> tuple[str, str, str, str, str]:
    use = "one-time" if record.one_time else "many"
    return record.id, _date(record.created), _date(record.expires), use, _state(record, now)


def _state(record: TokenRecord, now: float) -> str:
    if record.used_by:
        return f"used by {record.used_by}"
    return "expired" if record.expires <= now else "good"


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ttl(text: str) -> int:
    try:
        return parse_ttl(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
