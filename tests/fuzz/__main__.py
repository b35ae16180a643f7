"""``make fuzz SECONDS=n``: the claims of this folder with other examples each time, for so long, or until one of them is wrong."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time

EXAMPLES = 1000
"""For each claim and seed; what one seed takes is what a run may take longer than it was told."""


def main(seconds: float) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seed = str(secrets.randbelow(2**32))
        print(
            f"seed {seed}: again with FUZZ_EXAMPLES={EXAMPLES} .venv/bin/python -m pytest tests/fuzz --hypothesis-seed={seed}", flush=True
        )
        command = [sys.executable, "-m", "pytest", "-n", "auto", "--dist", "worksteal", "--timeout", "1800", "tests/fuzz"]
        done = subprocess.run([*command, f"--hypothesis-seed={seed}"], env={**os.environ, "FUZZ_EXAMPLES": str(EXAMPLES)}, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
