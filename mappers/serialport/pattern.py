"""Lines by pattern: ``TEMP={value} C``. ``{value}`` is what is wanted, ``{*}`` any text, everything else stands for itself. Pure.

No regular expressions: they come from whoever describes a device, and one that takes for ever would stop the whole mapper. This takes
time in proportion to the line: each literal part is looked for once, from left to right, so a hole takes as little as it can.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mappers.sdk.errors import ProfileError

VALUE = "{value}"
ANYTHING = "{*}"

_HOLE = re.compile(r"\{value\}|\{\*\}")
_MAX_HOLES = 16


@dataclass(frozen=True, slots=True)
class Pattern:
    """``literals``: one more than there are holes. ``place``: which hole is the value, None for a pattern without."""

    literals: tuple[str, ...]
    place: int | None = None

    def find(self, line: str) -> str | None:
        """The text of ``{value}`` ("" without one); None where the line is another."""
        first, *middle = self.literals
        if not middle:
            return "" if line == first else None
        if not line.startswith(first):
            return None
        last = middle.pop()
        end = len(line) - len(last)
        if not line.endswith(last) or end < len(first):
            return None
        starts, ends = [len(first)], []
        for literal in middle:
            found = line.find(literal, starts[-1], end)
            if found < 0:
                return None
            ends.append(found)
            starts.append(found + len(literal))
        ends.append(end)
        return "" if self.place is None else line[starts[self.place] : ends[self.place]].strip()


def pattern_of(text: str, path: str, *, with_value: bool) -> Pattern:
    """Raises ProfileError."""
    holes = _HOLE.findall(text)
    literals = tuple(_HOLE.split(text))
    if len(holes) > _MAX_HOLES:
        raise ProfileError(path, f"has more than {_MAX_HOLES} holes")
    if holes.count(VALUE) != int(with_value):
        raise ProfileError(path, f"expected {VALUE} {'once' if with_value else 'not at all'}, got it {holes.count(VALUE)} times")
    if "" in literals[1:-1]:
        raise ProfileError(path, "two holes side by side: nothing says where one ends")
    return Pattern(literals, holes.index(VALUE) if with_value else None)
