"""The stage: processes that are ended from elsewhere, or end by themselves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from demo.__main__ import wait_for_the_end
from demo.parts import Died
from demo.stage import Stage, born, stop_left_over, wait_for

SLEEP = "import time; time.sleep(60)"


def test_a_process_that_has_ended_and_was_not_waited_for_has_no_birth() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    wait_for("its end", lambda: born(process.pid) == "", within=10)
    process.wait()


def test_a_demo_whose_processes_are_ended_from_elsewhere_ends_and_does_not_bring_its_folder_back(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo")
    stage.start("sleeper", sys.executable, "-c", SLEEP)

    def down() -> None:
        assert stop_left_over(stage.folder) == ["sleeper"]
        shutil.rmtree(stage.folder)

    other = threading.Thread(target=down)
    other.start()
    wait_for_the_end(stage)
    other.join()
    stage.stop()
    assert not stage.folder.exists()


def test_a_demo_of_which_a_process_dies_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.__main__._DOWN_SECONDS", 0.0)
    stage = Stage(tmp_path)
    victim = stage.start("sleeper", sys.executable, "-c", SLEEP)
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(Died, match="sleeper ended with code -9"):
        wait_for_the_end(stage)
    stage.stop()
