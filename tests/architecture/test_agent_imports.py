"""What the agent never loads (C1): 12 MB of ``cryptography``, an event loop, the cloud's libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORBIDDEN = ("cryptography", "asyncio", "aiohttp", "jsonschema", "jwt")
SCRIPT = f"""
import sys
import edgecore.app, edgecore.cli, edgecore.config, edgecore.certs.renewal, edgecore.certs.commands
print(*sorted(set({FORBIDDEN!r}) & set(sys.modules)))
"""


def test_the_agent_does_not_load_what_it_must_not_pay_for() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
