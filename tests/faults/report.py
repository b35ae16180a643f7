"""The table, as text for a terminal and as ``docs/reliability.md``."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tests.faults.ledger import Entry
from tests.faults.matrix import Row

_COLUMNS = ("sent", "delivered", "lost", "duplicated", "out of order", "coalesced", "dropped", "counted as dropped", "unexplained")
_TEXT = """\
# Reliability, counted

Written by `make faults`; not to be edited by hand. Real processes (cloudstub, CloudCore, EdgeCore, Mosquitto) on one machine, with
a proxy between board and hub that makes the faults and sees every message. {machines}
{absent}
{table}

- Every message is numbered from 1. Down: ConfigMaps that a pod of the board names, desired values of devices. Up: reported values over
  MQTT, uploads.
- **Sent**: accepted by the receiver's contract: the API's write returned, the `result` came over MQTT, the upload lies in the outbox
  (or the full disk did not take it, and the board counts that).
- **Delivered**: down, committed in the board's database (ConfigMaps) or said to mappers as a delta (desired values); up, in a version of
  the Device in the API (reported values), or in the cloud's file of records (uploads).
- **Coalesced**: states that were replaced by newer ones before they arrived. Of a state only the newest counts; it must arrive and never
  go back.
- **Lost**: sent, and neither it nor anything newer of its object ever arrived. **Out of order**: an object showed an older state after a
  newer one, or an upload lies behind a later one of its source. **Duplicated**: an effect that was had twice: an object written
  again unchanged, an upload that lies there twice.
- **Dropped** and **counted as dropped**: uploads that a cap or the cloud's refusal ended and events that the cloud refused because their
  pod was gone, as we see it and as the board's own counter says.
- **Unexplained**: what an end had acknowledged and did not hold after a kill -9, and anything else that must not be.
- **Converged**: seconds from the end of the last fault until everything was where it belongs. On the slow line and where answers are lost
  the fault goes on meanwhile.
"""


def line(row: Row) -> str:
    """For a terminal."""
    numbers = "  ".join(f"{name} {value}" for name, value in zip(_COLUMNS, _values(row), strict=True))
    verdict = "" if row.good else "  NOT GOOD"
    return f"{row.profile}: {numbers}  converged {row.converged:.1f} s  (took {row.took:.0f} s){verdict}"


def document(entries: Sequence[Entry], missing: Sequence[str] = ()) -> str:
    """The text of docs/reliability.md. ``missing``: the profiles that were never counted."""
    heads = ("profile", *_COLUMNS, "converged (s)", "counted")
    table = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 2)}---|"]
    for entry in entries:
        row = entry.row
        cells = (row.profile, *(f"{value:,}" for value in _values(row)), f"{row.converged:.1f}", f"{entry.when}, {entry.commit}")
        table.append(f"| {' | '.join(cells)} |")
    table += ["", *(f"- {entry.row.profile}: {note}." for entry in entries for note in entry.row.notes)]
    if not table[-1]:
        table.pop()
    machines = "On " + "; ".join(dict.fromkeys(entry.machine for entry in entries)) + "."
    absent = f"Not counted in full yet: {', '.join(missing)}.\n" if missing else ""
    return _TEXT.format(machines=machines, absent=absent, table="\n".join(table))


def machine() -> str:
    """What this was counted on, in general terms."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {_cpu_model()}, {memory:.0f} GB, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def _cpu_model() -> str:
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = text.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


def _values(row: Row) -> tuple[int, ...]:
    count = row.count
    return (
        count.sent,
        count.delivered,
        count.lost,
        count.duplicated,
        count.out_of_order,
        count.coalesced,
        count.dropped,
        count.counter,
        count.unexplained,
    )
