"""``python -m tests.system.mappers.wired STATE PROTOCOL …``: ``bramble-mapper PROTOCOL …`` on a machine without pins and buses.

The kernel below smbus2, and the chip below lgpio, are made up (tests.fakes); everything above is what runs on a board. The lines of
STATE.do (``gpio 17 1``) drive the wires from outside, STATE shows the other end as JSON; both are looked at ten times a second.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mappers.i2c.simulated import desk
from mappers.sdk import cli
from tests.fakes.gpiochip import GpioChip
from tests.fakes.i2cdev import Kernel


def main() -> int:
    state, arguments = Path(sys.argv[1]), sys.argv[2:]
    patch = pytest.MonkeyPatch()
    kernel, chip = Kernel({1: desk()}), GpioChip()
    kernel.install(patch)
    chip.install(patch)
    os.environ["RPI_LGPIO_REVISION"] = "c03111"
    threading.Thread(target=show, args=(state, kernel, chip), daemon=True).start()
    return cli.main(arguments)


def show(state: Path, kernel: Kernel, chip: GpioChip) -> None:
    orders = state.with_suffix(".do")
    done = 0
    while True:
        lines = orders.read_text().splitlines() if orders.exists() else []
        for line in lines[done:]:
            pin, level = line.split()[1:]
            chip.drive(int(pin), int(level))
        done = len(lines)
        expander: Any = kernel.buses[1].chips[0x20]
        seen = {
            "levels": [line.level for line in chip.lines[:28]],
            "pwm": {number: line.pwm for number, line in enumerate(chip.lines) if line.pwm},
            "registers": list(expander.held[:16]),
        }
        fresh = state.with_suffix(".new")
        fresh.write_text(json.dumps(seen))
        fresh.replace(state)
        threading.Event().wait(0.1)


if __name__ == "__main__":
    sys.exit(main())
