"""Joining the cloud that the card named, without a person but for a code typed at the site, until it is done: the network may be away for
hours."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator

from edgecore.certs.commands import run_join
from edgecore.config import DEFAULT_FILE
from edgecore.errors import FirstBootError
from edgecore.firstboot import documents
from edgecore.firstboot.board import Board, JoinOrder
from edgecore.firstboot.partition import ERRORS, Partition

Join = Callable[[JoinOrder], tuple[int, str]]
"""Tries once: the exit code of ``edgecore join`` and what it said."""

_LONGEST_WAIT = 300.0
_QUIET_TRIES = 3
"""Failures before the card tells of it: at the first the network may only be late."""


def keep_trying(
    partition: Partition,
    board: Board,
    join: Join | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """0 when joined or nothing is to be done, 1 when the disk refuses, 2 when it can never succeed."""
    try:
        order = board.order()
        if order is None:
            return 0
        if not order.token:
            from edgecore.firstboot import paircommands  # and with it cryptography, for which no boot should wait

            return paircommands.keep_showing(partition, board, order, join or join_once)
        for failures, wait in enumerate(_waits(), 1):
            code, said = (join or join_once)(order)
            print(said.strip(), file=sys.stderr if code else sys.stdout, flush=True)
            if code == 0:
                board.joined()
                tell(partition, "")
                return 0
            if code == 2 or failures >= _QUIET_TRIES:
                tell(partition, documents.join_trouble(said))
            if code == 2:
                return 2
            sleep(wait)
    except FirstBootError as exc:
        print(f"first boot: {exc}", file=sys.stderr, flush=True)
    return 1


def join_once(order: JoinOrder) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    # A token on the card is the will of who holds it: it replaces what an earlier one made.
    flags = argparse.Namespace(
        cloud=order.address, token=order.token, hub_port=order.hub_port, name=order.name, config=DEFAULT_FILE, force=True
    )
    code = run_join(flags, out, err)
    return code, out.getvalue() + err.getvalue()


def tell(partition: Partition, text: str, name: str = ERRORS) -> None:
    """A card that cannot be written is no reason to stop."""
    try:
        partition.tell(text, name)
    except FirstBootError as exc:
        print(f"first boot: {exc}", file=sys.stderr, flush=True)


def _waits() -> Iterator[float]:
    wait = 5.0
    while True:
        yield wait
        wait = min(wait * 2, _LONGEST_WAIT)
