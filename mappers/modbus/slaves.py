"""Questions to one slave on a line that it shares: in its turn, when its breaker lets them through, as long as it may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from mappers.modbus.address import Address, SerialLine
from mappers.modbus.lines import CONVOY_SECONDS, SharedLine, turn
from mappers.modbus.link import ModbusLink, Silent, Unreachable
from mappers.modbus.registers import Table
from mappers.sdk.errors import DeviceAway, DeviceRefused
from viaduct.faults import TIMEOUT

Answer = TypeVar("Answer")

_FRAME_BYTES = 16
"""Of question and answer together, without what is read or written, and the pauses around them."""


class _Late(Exception):
    """No answer in time, for once."""


class Slave:
    """One at a time asks; the others wait for their turn."""

    def __init__(self, shared: SharedLine, address: Address) -> None:
        self._shared = shared
        self._address = address

    def connect(self) -> None:
        """Raises DeviceAway."""
        with turn(self._shared):
            self._reach(time.monotonic())

    def read(self, table: Table, offset: int, count: int) -> list[int]:
        """Raises DeviceAway, DeviceRefused."""
        try:
            with turn(self._shared):
                return self._read(table, offset, count, may_repeat=True)
        except _Late:
            with turn(self._shared):
                return self._read(table, offset, count)

    def write(self, table: Table, offset: int, values: Sequence[int]) -> None:
        """Raises DeviceAway, DeviceRefused."""
        with turn(self._shared):
            self._write(table, offset, values)

    def change(self, table: Table, offset: int, changed: Callable[[int], int]) -> None:
        """One register, to what ``changed`` makes of it; nobody else on this line comes between. Raises DeviceAway, DeviceRefused."""
        with turn(self._shared):
            self._write(table, offset, [changed(self._read(table, offset, 1)[0])])

    def _read(self, table: Table, offset: int, count: int, *, may_repeat: bool = False) -> list[int]:
        size = count // 8 if table.is_bits else 2 * count

        def ask(link: ModbusLink, patience: float) -> list[int]:
            return link.read(table, offset, count, unit=self._address.unit, patience=patience)

        return self._ask(size, ask, may_repeat=may_repeat)

    def _write(self, table: Table, offset: int, values: Sequence[int]) -> None:
        size = len(values) // 8 if table.is_bits else 2 * len(values)
        self._ask(size, lambda link, patience: link.write(table, offset, values, unit=self._address.unit, patience=patience))

    def _ask(self, size: int, ask: Callable[[ModbusLink, float], Answer], *, may_repeat: bool = False) -> Answer:
        breaker, unit, line = self._shared.breaker, self._address.unit, self._shared.line
        now = time.monotonic()
        wait = breaker.wait(unit, now)
        if wait > 0:
            raise DeviceAway(f"unit {unit} on {line.name} did not answer and is left alone for a moment", again_in=wait, code=TIMEOUT)
        self._reach(now)
        wire = line.wire_seconds(size + _FRAME_BYTES) if isinstance(line, SerialLine) else 0.0
        asked_at = time.monotonic()
        try:
            answer = ask(self._shared.link, breaker.patience(unit, asked_at, limit=self._address.limit, wire=wire))
        except Silent as exc:
            if may_repeat and breaker.doubt(unit):
                raise _Late() from exc
            ended = time.monotonic()
            raise DeviceAway(str(exc), again_in=breaker.silent(unit, ended, ended - asked_at), code=exc.code) from exc
        except Unreachable as exc:
            raise DeviceAway(str(exc), again_in=0.0) from exc
        except DeviceRefused:
            breaker.answered(unit, time.monotonic() - asked_at, wire=wire)
            raise
        breaker.answered(unit, time.monotonic() - asked_at, wire=wire)
        return answer

    def _reach(self, now: float) -> None:
        """Where the line is down, one of its devices finds out and the others are told: each trying for itself would take for ever."""
        shared = self._shared
        if now < shared.trouble_until:
            raise DeviceAway(shared.trouble, again_in=shared.trouble_until - now)
        try:
            shared.link.connect(self._address.limit)
        except Unreachable as exc:
            shared.trouble, shared.trouble_until = str(exc), time.monotonic() + CONVOY_SECONDS
            raise DeviceAway(str(exc), again_in=0.0) from exc
