"""``edgecore firstboot``: what the card's FAT partition says becomes the board's settings. ``edgecore firstboot join`` joins, by
token or by a code that it shows, however long that takes. Both are run by the image's services.

Exit codes: 0 done or nothing to do, 1 not possible now, 2 a wrong setting or flag.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecore.errors import FirstBootError
from edgecore.firstboot import documents, joincommands
from edgecore.firstboot.board import Board
from edgecore.firstboot.partition import ERRORS, PAIRING, Partition
from edgecore.firstboot.settings import FirstBoot
from edgecore.firstboot.sources import FILES, Found, understand, without_secrets

EXIT_DONE, EXIT_FAILED, EXIT_WRONG = 0, 1, 2
PARTITION = Path("/boot/firmware")


def run(arguments: Sequence[str]) -> int:
    args = parser().parse_args(arguments[1:])
    if not os.path.isdir(args.partition):
        print(f"edgecore firstboot: --partition: expected a folder, got {args.partition[:80]!r}", file=sys.stderr)
        return EXIT_WRONG
    partition, board = Partition(Path(args.partition)), Board()
    if args.step == "join":
        return joincommands.keep_trying(partition, board)
    return set_up(partition, board)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="edgecore firstboot",
        description="Set this board up from bramble.yaml, or what Raspberry Pi Imager wrote, on the card's FAT partition. "
        "The services of the SD-card image run this.",
    )
    found.add_argument(
        "step", nargs="?", choices=("join",), help="join the cloud that was named there, or show a pairing code; ends when that is done"
    )
    found.add_argument("--partition", default=str(PARTITION), metavar="DIR", help=f"where it is mounted (default {PARTITION})")
    return found


def set_up(partition: Partition, board: Board) -> int:
    """Apply what is new on the partition, all of it or nothing, and take the secrets away from there."""
    try:
        texts = partition.texts(FILES)
        if _digest(texts) == board.digest():
            return EXIT_DONE
        found = understand(texts, partition.names())
        problems = (*found.problems, *(_missing(found, board) if not found.problems else ()))
    except FirstBootError as exc:
        problems = (str(exc),)
    try:
        if problems:
            partition.tell(documents.errors(problems))
            return _complain(problems)
        for note in found.notes:
            print(f"first boot: {note}", flush=True)
        board.apply(found.settings)
        texts |= _blank(partition, texts)
        partition.tell("")
        if not board.shows_code():
            partition.tell("", PAIRING)
        board.remember(_digest(texts))
    except FirstBootError as exc:
        print(f"first boot: {exc}", file=sys.stderr, flush=True)
        return EXIT_FAILED
    print(f"first boot: {_told(found.settings)}", flush=True)
    return EXIT_DONE


def _blank(partition: Partition, texts: Mapping[str, str]) -> dict[str, str]:
    changed = without_secrets(texts)
    for name, text in changed.items():
        partition.replace(name, text)
    return changed


def _missing(found: Found, board: Board) -> list[str]:
    """What only the board can say of settings that are well in themselves."""
    wanted = found.settings
    problems = []
    if wanted.time_zone and not board.has_zone(wanted.time_zone):
        problems.append(f"timeZone: expected a time zone such as Europe/Berlin, got {wanted.time_zone!r}")
    if wanted.wifi.ssid and not (wanted.wifi.passphrase or wanted.wifi.open) and board.network() != wanted.wifi.ssid:
        problems.append("wifi.passphrase: expected the passphrase; for a network without one set wifi.open to true")
    if wanted.cloud.address and not (wanted.cloud.token or wanted.cloud.pairing) and not board.is_joined():
        problems.append("cloud.token: expected a join token, from: cloudcore token create; or set cloud.pairing to true")
    problems += [f"mappers: there is no {mapper} on this image" for mapper in wanted.mappers if not board.has_mapper(mapper)]
    return problems


def _complain(problems: Sequence[str]) -> int:
    for problem in problems:
        print(f"first boot: {problem}", file=sys.stderr)
    print(f"first boot: nothing was changed; the same is in {ERRORS} on the card", file=sys.stderr, flush=True)
    return EXIT_WRONG


def _told(wanted: FirstBoot) -> str:
    parts = {
        "name": wanted.name,
        "time zone": wanted.time_zone,
        "network": wanted.wifi.ssid,
        "keys": str(len(wanted.ssh.authorized_keys) or ""),
        "mappers": " ".join(wanted.mappers),
        "cloud": wanted.cloud.address,
    }
    return ", ".join(f"{name} {value!r}" for name, value in parts.items() if value) or "nothing is asked for"


def _digest(texts: Mapping[str, str]) -> str:
    whole = hashlib.sha256()
    for name in sorted(texts):
        whole.update(f"{name}\0{texts[name]}\0".encode())
    return whole.hexdigest()
