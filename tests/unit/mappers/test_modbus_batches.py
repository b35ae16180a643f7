"""Which registers are read together."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from mappers.modbus.batches import GAP_BITS, GAP_REGISTERS, MAX_BITS, MAX_REGISTERS, plan, split
from mappers.modbus.registers import Table, Visitor

HOLDING, COIL = Table.HOLDING, Table.COIL


def of(*places: tuple[int, int], table: Table = HOLDING) -> dict[str, Visitor]:
    return {f"{table}-{offset}-{index}": Visitor(table, offset, limit) for index, (offset, limit) in enumerate(places)}


def stretches(visitors: Mapping[str, Visitor]) -> list[tuple[int, int]]:
    return [(batch.offset, batch.count) for batch in plan(visitors)]


def test_neighbours_are_read_at_once_whatever_order_they_are_described_in() -> None:
    assert stretches(of((2, 1), (0, 2), (3, 4))) == [(0, 7)]


def test_a_small_hole_is_read_along_and_a_larger_one_is_not() -> None:
    assert stretches(of((0, 1), (1 + GAP_REGISTERS, 1))) == [(0, 2 + GAP_REGISTERS)]
    assert stretches(of((0, 1), (2 + GAP_REGISTERS, 1))) == [(0, 1), (2 + GAP_REGISTERS, 1)]
    assert stretches(of((0, 1), (1 + GAP_BITS, 1), table=COIL)) == [(0, 2 + GAP_BITS)]


def test_tables_are_read_apart() -> None:
    assert {batch.table for batch in plan(of((0, 1)) | of((0, 1), table=COIL))} == {HOLDING, COIL}


def test_no_answer_is_longer_than_the_protocol_allows() -> None:
    assert stretches(of(*((offset, 1) for offset in range(126)))) == [(0, MAX_REGISTERS), (125, 1)]
    assert stretches(of(*((offset, 1) for offset in range(2001)), table=COIL)) == [(0, MAX_BITS), (2000, 1)]


def test_several_bits_of_one_register_are_one_question() -> None:
    assert stretches(of((7, 1), (7, 1), (7, 1))) == [(7, 1)]


def test_a_refused_stretch_falls_apart_at_its_holes_and_then_into_halves() -> None:
    (whole,) = plan(of((0, 2), (2, 1), (5, 1), (6, 1)))
    parts = split(whole)
    assert [(part.offset, part.count) for part in parts] == [(0, 3), (5, 2)]
    assert [(part.offset, part.count) for part in split(parts[0])] == [(0, 2), (2, 1)]
    assert split(split(parts[0])[0]) == []


def test_bits_of_one_register_fall_apart_too() -> None:
    (whole,) = plan(of((7, 1), (7, 1)))
    assert len(split(whole)) == 2


PLACES = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 123)), min_size=1, max_size=30)


@given(PLACES)
def test_every_property_gets_its_own_registers_from_one_answer(places: list[tuple[int, int]]) -> None:
    visitors = of(*places)
    seen = []
    for batch in plan(visitors):
        assert batch.count <= MAX_REGISTERS
        answer = list(range(batch.offset, batch.offset + batch.count))
        for name, visitor in batch.visitors:
            assert list(batch.part(visitor, answer)) == list(range(visitor.offset, visitor.offset + visitor.limit))
            seen.append(name)
    assert sorted(seen) == sorted(visitors)


@given(PLACES)
def test_splitting_again_and_again_ends_with_each_property_once(places: list[tuple[int, int]]) -> None:
    visitors, waiting, single = of(*places), plan(of(*places)), []
    while waiting:
        parts = split(waiting[0])
        single += [] if parts else [waiting[0]]
        waiting = parts + waiting[1:]
    assert sorted(name for batch in single for name, _ in batch.visitors) == sorted(visitors)
