"""Steps that say what came of them, as ``make demo`` does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

from demo.stage import Failed
from tests.vm.machine import Died

Step = tuple[str, Callable[[], str]]


def play(steps: tuple[Step, ...], down: Callable[[], None], told: Callable[[], str] = str) -> int:
    """Run them and end what they made; an exit code. ``told`` says more after a failure."""
    signal.signal(signal.SIGTERM, _interrupted)
    begun = time.monotonic()
    name = ""
    try:
        for number, (name, step) in enumerate(steps, 1):
            print(f"[{number}/{len(steps)}] {name} …", flush=True)
            started = time.monotonic()
            print(f"      {step()}  ({time.monotonic() - started:.1f} s)", flush=True)
    except KeyboardInterrupt:
        print("\nEnding …")
        return 130
    except (Failed, Died, OSError, subprocess.SubprocessError) as exc:
        print(f"\nFAILED at step “{name}”: {exc}\n{told()}", file=sys.stderr)
        return 1
    finally:
        down()
    print(f"Every step passed, in {(time.monotonic() - begun) / 60:.0f} minutes.")
    return 0


def _interrupted(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
