"""``make bench``: one figure a line, ``name value unit``. Compare figures of one run with each other, not of two machines."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.bench import board, pods, stub, twins
from tests.bench.figure import Figure, Group
from tests.bench.stand import Stand

GROUPS: tuple[Group, ...] = (board.GROUP, twins.GROUP, twins.REPORT, twins.DESIRED, pods.GROUP, stub.GROUP)


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
    with Stand() as stand:
        for group in chosen:
            for figure in group.measure(stand):
                if arguments.only in figure.name:
                    print(figure, flush=True)
                    figures.append(figure)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({f.name: {"value": f.value, "unit": f.unit} for f in figures}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
