"""Instruments on serial lines for the SDK: they are asked, or talk by themselves; position receivers speak NMEA 0183."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from decimal import Decimal

from mappers.sdk.driver import Simulation
from mappers.sdk.errors import DeviceAway, DeviceRefused, ProfileError, ValueRefused
from mappers.sdk.profile import Device, Property
from mappers.sdk.quantity import as_value
from mappers.sdk.values import Value
from mappers.serialport import simulated
from mappers.serialport.address import PROTOCOL, Instrument, instrument_of
from mappers.serialport.ear import Ear
from mappers.serialport.exchange import Exchange, Ports
from mappers.serialport.visitors import Asked, Visitor, decode, encode, visitor_of
from viaduct.faults import TIMEOUT

FIRST_WORD_SECONDS = 5.0
"""How long ``open`` waits for the first word of a device that talks by itself."""


class SerialDriver:
    """One instrument."""

    def __init__(self, instrument: Instrument, visitors: Mapping[str, Visitor], ports: Ports) -> None:
        self._instrument = instrument
        self._visitors = visitors
        self._ports = ports
        self._told: Callable[[str], None] = lambda name: None
        self._ear = Ear(visitors, instrument.encoding, lambda name: self._told(name))
        self._exchange: Exchange | None = None
        self._written: dict[str, Value] = {}

    @staticmethod
    def family() -> SerialFamily:
        return SerialFamily(Ports())

    @staticmethod
    def simulation() -> AbstractContextManager[Simulation]:
        return simulated.instruments(SerialDriver.family)

    def on_news(self, told: Callable[[str], None]) -> None:
        self._told = told

    def open(self) -> None:
        if self._exchange is not None and self._exchange.is_broken:
            self.close()
        if self._exchange is None:
            self._ear.forget()
            self._exchange = self._ports.join(self._instrument.port, self._hear, timeout=self._instrument.timeout)
        if self._talks_only():
            self._await_first_word(self._exchange)

    def read(self, wanted: Property) -> Value:
        visitor, exchange = self._visitor(wanted), self._opened()
        if visitor.source is None:
            if wanted.name not in self._written:
                raise DeviceRefused("it can only be written, and was not yet")
            return self._written[wanted.name]
        if isinstance(visitor.source, Asked):
            pattern = visitor.source.pattern
            line = exchange.ask(
                self._encoded(visitor.source.question),
                lambda heard: (text := self._decoded(heard)) is not None and pattern.find(text) is not None,
                timeout=self._instrument.timeout,
            )
            return decode(pattern.find(self._decoded(line) or "") or "", visitor, wanted)
        return self._overheard(wanted, visitor)

    def write(self, wanted: Property, value: Value) -> None:
        visitor = self._visitor(wanted)
        text = encode(value, visitor, wanted)
        if visitor.command is None:
            raise DeviceRefused("it cannot be written")
        line = self._encoded(visitor.command.template.replace("{value}", text))
        if self._instrument.port.ending in line:
            # What follows it would be a command of its own.
            raise ValueRefused("it has the line's end in it")
        expected, exchange = visitor.command.acknowledgement, self._opened()
        if expected is None:
            exchange.say(line)
        else:
            pattern = expected
            exchange.ask(
                line,
                lambda heard: (text := self._decoded(heard)) is not None and pattern.find(text) is not None,
                timeout=self._instrument.timeout,
            )
        self._written[wanted.name] = value

    def close(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._ports.leave(exchange, self._hear)

    def _hear(self, line: bytes) -> None:
        self._ear.hear(line, time.monotonic())

    def _talks_only(self) -> bool:
        return bool(self._ear.wanted) and len(self._ear.wanted) == len(self._visitors)

    def _await_first_word(self, exchange: Exchange) -> None:
        limit = min(FIRST_WORD_SECONDS, self._instrument.silence)
        if not self._ear.is_complete.wait(limit) and not self._ear.heard_at:
            exchange.require_whole()
            raise DeviceAway(self._silence(exchange, limit), code=TIMEOUT)

    def _silence(self, exchange: Exchange, seconds: float) -> str:
        port = self._instrument.port
        if not exchange.bytes_heard:
            return f"nothing comes from {port.path} for {seconds:g} s"
        doubt = f" ({self._ear.complaint})" if self._ear.complaint else ""
        return f"nothing that is asked for comes from {port.path} for {seconds:g} s, though something does: is baudRate right?{doubt}"

    def _overheard(self, wanted: Property, visitor: Visitor) -> Value:
        now, silence = time.monotonic(), self._instrument.silence
        exchange = self._opened()
        if self._talks_only() and now - self._ear.heard_at > silence:
            raise DeviceAway(self._silence(exchange, silence), code=TIMEOUT)
        heard = self._ear.last(wanted.name)
        if heard is None:
            raise DeviceRefused("it has not said this yet")
        if now - heard.at > silence:
            raise DeviceRefused(f"it has not said this for {silence:g} s")
        if heard.what is None:
            raise DeviceRefused("it says that it does not know: no satellites in sight, perhaps")
        return as_value(heard.what, wanted, visitor.scale) if isinstance(heard.what, Decimal) else decode(heard.what, visitor, wanted)

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self._instrument.encoding)
        except UnicodeEncodeError as exc:
            raise DeviceRefused(f"{text[:40]!r} cannot be said in {self._instrument.encoding}") from exc

    def _decoded(self, line: bytes) -> str | None:
        try:
            return line.decode(self._instrument.encoding)
        except UnicodeDecodeError:
            return None

    def _visitor(self, wanted: Property) -> Visitor:
        if wanted.name not in self._visitors:
            raise DeviceRefused(f"nothing says how to reach {wanted.name}")
        return self._visitors[wanted.name]

    def _opened(self) -> Exchange:
        if self._exchange is None:
            raise DeviceAway(f"{self._instrument.port.path} is not open")
        self._exchange.require_whole()
        return self._exchange


class SerialFamily:
    """Devices of ``customizedProtocol`` ``serial``."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def serves(self, protocol: str) -> bool:
        return protocol == PROTOCOL

    def driver_for(self, device: Device) -> tuple[SerialDriver, tuple[Property, ...], tuple[str, ...]]:
        instrument = instrument_of(device)
        visitors: dict[str, Visitor] = {}
        problems: list[str] = []
        for wanted in device.properties:
            try:
                visitors[wanted.name] = visitor_of(wanted, is_nmea=instrument.is_nmea)
            except ProfileError as fault:
                problems.append(str(fault))
        reachable = tuple(wanted for wanted in device.properties if wanted.name in visitors)
        return SerialDriver(instrument, visitors, self._ports), reachable, tuple(problems)
