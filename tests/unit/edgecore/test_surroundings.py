"""May EdgeCore start here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecore import surroundings
from edgecore.surroundings import InstanceLock, NotHere


def _proc(directory: Path, *programs: str) -> Path:
    for number, program in enumerate(programs, start=1):
        process = directory / str(number)
        process.mkdir(parents=True)
        os.symlink(f"/usr/bin/{program}", process / "exe")
    (directory / "99").mkdir(exist_ok=True, parents=True)
    (directory / "self").mkdir(exist_ok=True)
    return directory


@pytest.mark.parametrize("rival", ["kubelet", "kube-proxy", "kubelet (deleted)"])
def test_it_does_not_start_beside_a_kubelet(tmp_path: Path, rival: str) -> None:
    proc = _proc(tmp_path, "bash", rival)
    with pytest.raises(NotHere, match=rival.removesuffix(" (deleted)")):
        surroundings.check({}, proc)


@pytest.mark.parametrize(("value", "starts"), [("false", True), ("False", True), ("true", False), ("", False), ("0", False)])
def test_only_false_switches_the_check_off(tmp_path: Path, value: str, starts: bool) -> None:
    proc = _proc(tmp_path, "kubelet")
    if starts:
        surroundings.check({surroundings.SWITCH: value}, proc)
    else:
        with pytest.raises(NotHere):
            surroundings.check({surroundings.SWITCH: value}, proc)


def test_it_starts_beside_anything_else(tmp_path: Path) -> None:
    surroundings.check({}, _proc(tmp_path, "kubelet-exporter", "kube-proxy2", "mosquitto"))


def test_a_second_instance_over_one_database_is_refused_and_names_the_first(tmp_path: Path) -> None:
    first = InstanceLock(tmp_path)
    with pytest.raises(NotHere, match=rf"process {os.getpid()}\) already uses"):
        InstanceLock(tmp_path)
    first.release()
    InstanceLock(tmp_path).release()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotHere, match="file/deep"):
        InstanceLock(tmp_path / "file" / "deep")


def test_who_holds_the_lock_is_known_without_trying_it(tmp_path: Path) -> None:
    assert surroundings.holder(tmp_path) == 0
    lock = InstanceLock(tmp_path)
    assert surroundings.holder(tmp_path) == os.getpid()
    lock.release()
    assert surroundings.holder(tmp_path) == 0


def test_who_holds_the_lock_is_known_where_the_kernels_table_names_another_device(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "locks").write_text("1: FLOCK  ADVISORY  WRITE 7 00:99:1 0 EOF\n")
    (proc / str(os.getpid())).symlink_to("/proc/self")
    lock = InstanceLock(tmp_path / "data")
    assert surroundings.holder(tmp_path / "data", proc) == os.getpid()
    lock.release()
    assert surroundings.holder(tmp_path / "data", proc) == 0
