"""The newest full count of each profile, kept in ``counted.json`` beside this file: one row can be counted again without the others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.matrix import Row
from tests.faults.tally import Count

_WRITTEN = (":(top,exclude)docs/reliability.md", ":(top,exclude)tests/faults/counted.json")
FILE = Path(__file__).with_name("counted.json")


@dataclass(frozen=True, slots=True)
class Entry:
    """``when``: the day (UTC); ``commit``: of the tree, with ``+`` where it held more than that; ``machine``: in general terms."""

    row: Row
    when: str
    commit: str
    machine: str


def entry(row: Row, machine: str) -> Entry:
    return Entry(row, datetime.now(UTC).strftime("%Y-%m-%d"), _commit(), machine)


def keep(new: Entry, file: Path = FILE) -> None:
    """In the place of the one that is there."""
    kept = {each.row.profile: each for each in (*entries(file), new)}
    file.write_text(json.dumps([_plain(each) for each in kept.values()], indent=1) + "\n")


def entries(file: Path = FILE, order: Iterable[str] = ()) -> list[Entry]:
    """Those that are there, in the ``order`` of their profiles; a profile that is no more is left out."""
    if not file.exists():
        return []
    found = {value["row"]["profile"]: _entry(value) for value in json.loads(file.read_text())}
    names = list(order) or list(found)
    return [found[name] for name in names if name in found]


def _plain(each: Entry) -> dict[str, Any]:
    plain = asdict(each)
    plain["row"]["converged"] = str(each.row.converged)  # JSON knows no infinity
    return plain


def _entry(value: dict[str, Any]) -> Entry:
    row = value["row"]
    texts = {name: tuple(row[name]) for name in ("remarks", "notes")}
    counted = Row(row["profile"], Count(**row["count"]), float(row["converged"]), row["took"], **texts)
    return Entry(counted, value["when"], value["commit"], value["machine"])


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=FILE.parent, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", *_WRITTEN)
    return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
