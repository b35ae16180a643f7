"""Samples as InfluxDB's line protocol. Pure.

    bramble,device=thermometer,node=edge1,property=temperature value=21.5 1581066000000000000

What is a number (true is 1) goes into the field ``value``, any other text into ``text``: a field of InfluxDB has one type for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloudcore.history.sample import Batch, number_of

_NANOSECONDS = 1_000_000
_KEY = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_TEXT = str.maketrans({'"': r"\"", "\\": r"\\"})


def lines(batches: Iterable[Batch], measurement: str) -> str:
    return "".join(_lines(batches, measurement.translate(_KEY)))


def _lines(batches: Iterable[Batch], measurement: str) -> Iterable[str]:
    for batch in batches:
        for one in batch.series:
            tags = f"device={_tag(one.device)},node={_tag(batch.node)},property={_tag(one.property)}"
            for time, value in zip(one.times, one.values, strict=True):
                yield f"{measurement},{tags} {_field(value)} {time * _NANOSECONDS}\n"


def _tag(text: str) -> str:
    return text.translate(_KEY)


def _field(value: str) -> str:
    number = number_of(value)
    return f'text="{value.translate(_TEXT)}"' if number is None else f"value={number!r}"
