"""Which registers of one device are read together. Pure.

A question costs a serial line the same pause whether it asks for one register or for fifty, so neighbours are read at once: registers up to
``GAPS`` apart, together no more than one answer holds. Some devices refuse a stretch with a hole in it: then its parts are read instead,
and that is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mappers.modbus.registers import Table, Visitor

MAX_REGISTERS = 125
MAX_BITS = 2000

GAP_REGISTERS = 8
GAP_BITS = 64
"""What lies between two properties and is read for nothing: at 9600 baud eight registers take 18 ms, another question takes longer."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One question. ``visitors`` by property, in the order of their registers."""

    table: Table
    offset: int
    count: int
    visitors: tuple[tuple[str, Visitor], ...]

    def part(self, visitor: Visitor, answer: Sequence[int]) -> Sequence[int]:
        """What of ``answer`` is the visitor's."""
        start = visitor.offset - self.offset
        return answer[start : start + visitor.limit]


def plan(visitors: Mapping[str, Visitor], *, gap_registers: int = GAP_REGISTERS, gap_bits: int = GAP_BITS) -> list[Batch]:
    """As few questions as the limits allow, table by table. A property is never split: its registers come from one answer."""
    found: list[Batch] = []
    for table in Table:
        gap, most = (gap_bits, MAX_BITS) if table.is_bits else (gap_registers, MAX_REGISTERS)
        members = sorted(((n, v) for n, v in visitors.items() if v.table is table), key=lambda item: (item[1].offset, item[1].limit))
        found += _joined(members, gap, most)
    return found


def split(batch: Batch) -> list[Batch]:
    """Its parts without holes; where it has none, its halves. Empty where there is nothing to split."""
    if len(batch.visitors) == 1:
        return []
    parts = _joined(batch.visitors, 0, batch.count)
    half = len(batch.visitors) // 2
    return parts if len(parts) > 1 else [_batch(batch.visitors[:half]), _batch(batch.visitors[half:])]


def _joined(members: Iterable[tuple[str, Visitor]], gap: int, most: int) -> list[Batch]:
    rows: list[list[tuple[str, Visitor]]] = []
    end = 0
    for name, visitor in members:
        last = max(end, visitor.offset + visitor.limit)
        if rows and visitor.offset - end <= gap and last - rows[-1][0][1].offset <= most:
            rows[-1].append((name, visitor))
            end = last
        else:
            rows.append([(name, visitor)])
            end = visitor.offset + visitor.limit
    return [_batch(row) for row in rows]


def _batch(row: Sequence[tuple[str, Visitor]]) -> Batch:
    start = row[0][1].offset
    return Batch(row[0][1].table, start, max(v.offset + v.limit for _, v in row) - start, tuple(row))
