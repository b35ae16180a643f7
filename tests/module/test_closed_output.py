"""A reader that has seen enough (``edgecore --defaultconfig | head -1``) is no failure of any program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system


@pytest.mark.parametrize(
    ("module", "flag"),
    [
        (module, flag)
        for module in ("edgecore.cli", "cloudcore.cli", "edgesite.cli")
        for flag in ("--defaultconfig", "--minconfig", "--version")
    ],
)
def test_a_closed_pipe_ends_no_program_with_a_traceback(module: str, flag: str) -> None:
    assert _into_a_closed_pipe(module, flag) == (0, "")


def test_cloudstub_serves_on_when_nobody_reads_where_it_is(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cloudstub.cli", "--data-dir", str(tmp_path), "--listen", "127.0.0.1:0", "--log-level", "info"]
    process = subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert said and process.poll() is None
    finally:
        process.terminate()
    assert "Traceback" not in process.communicate(timeout=20)[1]
    assert process.returncode == 0


def _into_a_closed_pipe(module: str, *flags: str) -> tuple[int, str]:
    """Exit code, and what was said on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *flags], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr
