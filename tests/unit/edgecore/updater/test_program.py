"""The updater's program is one file that needs nothing but Python: what it replaces may be half gone when it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgecore.updates import program
from edgecore.updates.files import UpdateFolder
from edgecore.updates.order import Order, Source


def run(folder: UpdateFolder) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", "-S", folder.program, folder.path], cwd="/", capture_output=True, text=True, timeout=60)


def test_it_runs_alone_and_the_same_version_gives_the_same_file(tmp_path: Path) -> None:
    folder = UpdateFolder(tmp_path / "updates")
    program.lay(folder)
    first = folder.program.read_bytes()
    told = run(folder)
    assert (told.returncode, told.stderr) == (0, "")
    program.lay(folder)
    assert folder.program.read_bytes() == first
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_where_dpkg_is_not_it_says_so_as_the_end_of_the_order(tmp_path: Path) -> None:
    folder = UpdateFolder(tmp_path / "updates")
    program.lay(folder)
    assert folder.place(Order("o", Source.FOLDER, folder=str(tmp_path / "none")))
    told = run(folder)
    result = folder.result("o")
    assert (told.returncode, folder.has_order()) == (0, False)
    assert result is not None
    assert "none" in result.reason or "dpkg" in result.reason
