"""Devices that share a line; promise I1."""

from __future__ import annotations

import pytest

from mappers.modbus.address import Line, SerialLine, TcpLine
from mappers.modbus.lines import Lines, turn
from mappers.modbus.link import ModbusLink
from mappers.sdk.errors import DeviceAway


class ClosingLink(ModbusLink):
    """Counts how often it was closed."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_devices_on_one_line_share_its_connection_and_the_last_one_closes_it() -> None:
    lines, line = Lines(ClosingLink), TcpLine("h", 502)
    first, second = lines.join(line, 1), lines.join(line, 1)
    assert first is second and lines.join(TcpLine("h", 503), 1) is not first
    lines.leave(first, 1)
    assert isinstance(first.link, ClosingLink) and first.link.closed == 0
    lines.leave(second, 1)
    assert first.link.closed == 1
    assert lines.join(line, 1) is not first


def test_one_serial_port_cannot_have_two_speeds() -> None:
    lines = Lines(ClosingLink)
    lines.join(SerialLine("/dev/x", 9600, 8, "N", 1), 1)
    with pytest.raises(DeviceAway, match="/dev/x is in use with other settings"):
        lines.join(SerialLine("/dev/x", 19200, 8, "N", 1), 1)


def test_a_line_is_given_on_also_after_a_failure() -> None:
    lines, line = Lines(ClosingLink), TcpLine("h", 502)
    shared = lines.join(line, 1)
    with pytest.raises(DeviceAway), turn(shared):
        raise DeviceAway("x")
    with turn(shared) as link:
        assert link is shared.link
