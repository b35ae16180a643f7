"""What the agent never loads (C1): 12 MB of ``cryptography``, an event loop, the cloud's libraries, what others would bring along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = (
    *("cryptography", "asyncio", "aiohttp", "jsonschema", "jwt", "concurrent", "multiprocessing", "unittest", "xml", "pdb", "difflib"),
    *("rich", "charset_normalizer", "chardet", "pip", "setuptools", "pkg_resources", "socks", "dns", "wsaccel", "playhouse"),
    *("zeroconf", "ifaddr", "spake2", "edgecore.pairing", "viaduct.pairing"),
    *("prometheus_client", "edgecore.doctor", "edgecore.diag", "viaduct.rules", "edgecore.rules.engine"),
)
EVERYTHING_ON = """
import edgecore.app, edgecore.cli, edgecore.config, edgecore.certs.renewal, edgecore.certs.commands
import edgecore.containers.engine, edgecore.containers.engine_facts, edgecore.edged.module, edgecore.edged.settings
import edgecore.eventbus.module, edgecore.eventbus.settings, edgecore.servicebus.module, edgecore.devicetwin.module
import supervision.metricsserver
import edgecore.edgestream.module, edgecore.edgestream.connection, edgecore.rules.module
"""


def _python(script: str, *flags: str) -> str:
    command = [sys.executable, *flags, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_agent_does_not_load_what_it_must_not_pay_for() -> None:
    assert _python(f"import sys\n{EVERYTHING_ON}\nprint(*sorted(set({FORBIDDEN!r}) & set(sys.modules)))") == ""


def test_what_is_left_out_leaves_no_trace_and_no_warning() -> None:
    """Whoever wants the real one later gets it, and requests does not complain about its absence."""
    pytest.importorskip("charset_normalizer")
    script = "import edgecore.containers.podman, charset_normalizer; print(charset_normalizer.from_bytes(b'x').best())"
    assert _python(script, "-W", "error") == "x"
