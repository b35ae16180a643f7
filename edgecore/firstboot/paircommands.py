"""The card brought no token: the board shows a code, on the screen and on the card, and joins the site where somebody types it."""

from __future__ import annotations

import dataclasses
import sys

from edgecore.certs.jointoken import Endpoint
from edgecore.errors import ConfigError, IdentityError
from edgecore.firstboot import documents
from edgecore.firstboot.board import Board, JoinOrder
from edgecore.firstboot.joincommands import Join, tell
from edgecore.firstboot.partition import PAIRING, Partition
from edgecore.pairing.asking import JOINED, WRONG, Asking
from edgecore.pairing.commands import finder
from viaduct.handshake import HUB_PORT
from viaduct.pairing import Invitation, shown_code

_NEWS_LIMIT = 3
"""That are written to the card for one code: flash wears."""


def keep_showing(partition: Partition, board: Board, order: JoinOrder, join: Join) -> int:
    """0 when joined, 2 when it can never succeed. Raises: FirstBootError: the disk refused to keep the code."""
    try:
        find = finder(order.address or None, "cloud.address")
    except (ConfigError, IdentityError) as exc:
        return _never(partition, str(exc))

    def accept(endpoint: Endpoint, invitation: Invitation) -> int:
        # A port on the card counts, if it is not the usual one, which it says of itself.
        hub_port = order.hub_port if order.hub_port != HUB_PORT else invitation.hub_port
        code, said = join(JoinOrder(str(endpoint), hub_port, invitation.node or order.name, invitation.token))
        print(said.strip(), file=sys.stderr if code else sys.stdout, flush=True)
        if code:
            tell(partition, documents.join_trouble(said))
        return code

    ended = Asking(find, accept, _Card(partition, board, order), code=order.code).run()
    if ended != JOINED:
        return WRONG
    board.joined()
    tell(partition, "", PAIRING)
    tell(partition, "")
    return JOINED


class _Card:
    def __init__(self, partition: Partition, board: Board, order: JoinOrder) -> None:
        self._partition = partition
        self._board = board
        self._order = order
        self._news: list[str] = []

    def show(self, code: str) -> None:
        self._order = dataclasses.replace(self._order, code=code)
        self._board.keep(self._order)
        self._news.clear()
        print(
            f"first boot: this board waits for its site; pairing code {shown_code(code)}; there: cloudcore pair {shown_code(code)}",
            flush=True,
        )
        self._write()

    def say(self, text: str) -> None:
        print(f"first boot: {text}", flush=True)
        if len(self._news) < _NEWS_LIMIT:
            self._news.append(text)
            self._write()

    def _write(self) -> None:
        tell(self._partition, documents.pairing(self._order.code, self._news), PAIRING)


def _never(partition: Partition, text: str) -> int:
    print(f"first boot: {text}", file=sys.stderr, flush=True)
    tell(partition, documents.join_trouble(text))
    return WRONG
