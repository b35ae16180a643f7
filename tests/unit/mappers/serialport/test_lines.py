"""Lines in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mappers.serialport.lines import MAX_LINE, LineSplitter


def test_lines_come_whole_however_their_bytes_come() -> None:
    splitter = LineSplitter(b"\n")
    assert splitter.feed(b"TEM") == []
    assert splitter.feed(b"P=1\r\nTEMP=2\r\n\r\nTE") == [b"TEMP=1", b"TEMP=2"]
    assert splitter.feed(b"MP=3\n") == [b"TEMP=3"]


def test_an_end_of_two_bytes_may_come_half() -> None:
    splitter = LineSplitter(b"\r\n")
    assert splitter.feed(b"one\r") == []
    assert splitter.feed(b"\ntwo\r\n") == [b"one", b"two"]


def test_a_line_that_is_too_long_is_dropped_whole_and_counted_once() -> None:
    splitter = LineSplitter(b"\n")
    for _ in range(100):
        assert splitter.feed(b"x" * 500) == []
    assert splitter.feed(b"tail\nnext\n") == [b"next"]
    assert splitter.dropped == 1


@given(st.lists(st.binary(max_size=3000), max_size=20), st.sampled_from([b"\n", b"\r\n"]))
def test_nothing_more_than_a_line_is_kept(pieces: list[bytes], ending: bytes) -> None:
    splitter = LineSplitter(ending)
    for piece in pieces:
        assert all(0 < len(line) <= MAX_LINE for line in splitter.feed(piece))
        assert len(splitter._rest) <= MAX_LINE + len(ending)


@given(
    st.lists(st.binary(min_size=1, max_size=60).filter(lambda line: b"\n" not in line and line.strip()), max_size=20), st.integers(1, 50)
)
def test_how_the_bytes_are_cut_makes_no_difference(lines: list[bytes], size: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter(b"\n")
    found = [line for start in range(0, len(data), size) for line in splitter.feed(data[start : start + size])]
    assert found == [line.strip() for line in lines]
