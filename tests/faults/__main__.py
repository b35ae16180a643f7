"""``make faults``: the matrix of faults, counted. Ends with 1 where anything was lost, out of order or unexplained."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.faults import ledger, matrix, report
from tests.faults.profiles import PROFILES

_DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", default="", metavar="PATTERN", help="only profiles whose name contains this")
    parser.add_argument("--short", action="store_true", help="a few rounds of each")
    parser.add_argument("--write", action="store_true", help="put the rows into docs/reliability.md, each when it is counted")
    arguments = parser.parse_args()
    chosen = [profile for profile in PROFILES if arguments.only in profile.name]
    if not chosen:
        print(f"no profile has {arguments.only!r} in its name; there are: {', '.join(p.name for p in PROFILES)}", file=sys.stderr)
        return 2
    if arguments.write and arguments.short:
        print("--write: the short form is not for docs/reliability.md", file=sys.stderr)
        return 2
    rows = []
    for profile in chosen:
        if not matrix.is_possible(profile):
            print(f"{profile.name}: left out, it needs root", file=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupted)
    for row in matrix.run(chosen, full=not arguments.short):
        print(report.line(row), *row.remarks, *row.notes, sep="\n    ", flush=True)
        rows.append(row)
        if arguments.write:
            ledger.keep(ledger.entry(row, report.machine()))
            _write()
    return 0 if all(row.good for row in rows) else 1


def _write() -> None:
    names = [profile.name for profile in PROFILES]
    entries = ledger.entries(order=names)
    counted = {entry.row.profile for entry in entries}
    _DOCUMENT.write_text(report.document(entries, [name for name in names if name not in counted]))


def _interrupted(*_: object) -> None:
    """Whoever ends us gets the processes ended as well."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
