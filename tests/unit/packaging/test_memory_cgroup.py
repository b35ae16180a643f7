"""A Raspberry Pi's kernel line gets its memory cgroup once; nothing else is touched."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "packaging" / "debian" / "memory-cgroup"
LINE = "console=tty1 root=PARTUUID=1234-02 rootwait\n"


def board(root: Path, model: str, line: str, folder: str = "boot/firmware") -> Path:
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/model").write_bytes(model.encode() + b"\0")
    place = root / folder / "cmdline.txt"
    place.parent.mkdir(parents=True)
    place.write_text(line)
    return place


def run(root: Path) -> str:
    return subprocess.run([SCRIPT, root], capture_output=True, text=True, check=True, timeout=20).stdout


@pytest.mark.parametrize("folder", ["boot/firmware", "boot"])
def test_a_raspberry_pi_gets_it_in_the_same_line_and_hears_of_the_reboot(tmp_path: Path, folder: str) -> None:
    place = board(tmp_path, "Raspberry Pi 4 Model B Rev 1.5", LINE, folder)
    assert "after the next reboot" in run(tmp_path)
    assert place.read_text() == LINE.rstrip() + " cgroup_enable=memory\n"


def test_the_second_time_nothing_changes(tmp_path: Path) -> None:
    place = board(tmp_path, "Raspberry Pi 5", LINE)
    run(tmp_path)
    once = place.read_text()
    assert run(tmp_path) == ""
    assert place.read_text() == once


def test_another_board_is_left_alone(tmp_path: Path) -> None:
    place = board(tmp_path, "Pine64 Rock64", LINE)
    assert run(tmp_path) == ""
    assert place.read_text() == LINE


def test_a_machine_without_a_device_tree_is_left_alone(tmp_path: Path) -> None:
    assert run(tmp_path) == ""
