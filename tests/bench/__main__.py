"""``make bench``: one figure a line, ``name value unit``. Compare figures of one run with each other, not of two machines."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.bench import board, convergence, fairness, fanout, fleets, link, mappers, pods, samples, stub, twins
from tests.bench.figure import Figure, Group
from tests.bench.stand import Stand

GROUPS: tuple[Group, ...] = (
    board.GROUP,
    twins.GROUP,
    twins.REPORT,
    twins.DESIRED,
    pods.GROUP,
    pods.DEATHS,
    pods.IDLE,
    stub.GROUP,
    link.GROUP,
    convergence.GROUP,
    fairness.GROUP,
    mappers.MEMORY,
    mappers.BUS,
    mappers.DESIRED,
    mappers.DISK,
    samples.GROUP,
    fleets.GROUP,
    fanout.SMALL,
    fanout.LARGE,
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default="", metavar="PATTERN", help="only figures whose name contains this")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    chosen = [group for group in GROUPS if any(arguments.only in name for name in group.names)]
    if not chosen:
        print(f"no figure has {arguments.only!r} in its name; there are: {', '.join(n for g in GROUPS for n in g.names)}", file=sys.stderr)
        return 2
    figures: list[Figure] = []

    def take(group: Group, stand: Stand | None) -> None:
        for figure in group.measure(stand):
            if arguments.only in figure.name:
                print(figure, flush=True)
                figures.append(figure)

    for group in chosen:
        if not group.needs_board:
            take(group, None)
    if any(group.needs_board for group in chosen):
        with Stand() as stand:
            for group in chosen:
                if group.needs_board:
                    take(group, stand)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({f.name: {"value": f.value, "unit": f.unit} for f in figures}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
