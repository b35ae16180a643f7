"""A device and its rows."""

from __future__ import annotations

import pytest

from edgecore.devicetwin import rows
from edgecore.devicetwin.shadow import Twin
from edgecore.store.twins import DeviceRow, TwinRow
from viaduct.device import TwinValue


@pytest.mark.parametrize("spoilt", ["{", "[]", "7", '{"timestamp":"now"}', '{"cloud":1}', '{"cloud":"1","edge":2}', "[" * 100_000])
def test_a_spoilt_row_loses_what_was_in_its_spoilt_columns_and_keeps_no_device_away(spoilt: str) -> None:
    row = TwinRow("d1", "t", "", "5", "4", spoilt, spoilt, spoilt, spoilt, 1, "int", "{}")
    found = rows.shadows([DeviceRow("d1"), DeviceRow("d2")], [], [row])
    assert list(found) == ["d1", "d2"]
    assert found["d1"].twins == {"t": Twin(TwinValue("5"), TwinValue("4"), True, "int")}
