"""The watchdog hears that EdgeCore lives only while every module comes back to its mailbox (decision 0092)."""

from __future__ import annotations

import threading
from typing import Any

from edgecore.app import _watch
from edgecore.beehive.keeper import Keeper
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from supervision.notify import ServiceManager


class Told(ServiceManager):
    """Counts signs of life. ``sign`` is set by each."""

    def __init__(self) -> None:
        super().__init__("@nobody", watchdog=0.04)
        self.sign = threading.Event()

    def alive(self) -> None:
        self.sign.set()


class Held(Module):
    name = "held"
    group = "g"

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def take(self, letter: Any) -> None:
        self.entered.set()
        self.let_go.wait(10.0)


def test_signs_of_life_stop_while_a_module_hangs_and_come_back_with_it() -> None:
    switchboard = Switchboard()
    keeper = Keeper(switchboard)
    held, told, asked = Held(), Told(), threading.Event()
    keeper.keep("held", "g", lambda: held)
    keeper.start()
    watching = threading.Thread(target=_watch, args=(keeper, told, asked))
    watching.start()
    assert told.sign.wait(5.0)
    switchboard.send("held", "letter")
    assert held.entered.wait(5.0)
    while told.sign.wait(0.2):  # five times as long as between two signs
        told.sign.clear()
    held.let_go.set()
    assert told.sign.wait(5.0)
    asked.set()
    watching.join(5.0)
    assert not watching.is_alive()
    assert keeper.stop() == []
