"""``edgecore update`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecore import cli
from edgecore.updater import commands
from edgecore.updater.debian import Debian
from edgecore.updates.files import UpdateFolder
from edgecore.updates.order import Order, Result, Source
from viaduct.upgrades.state import State


@pytest.fixture
def updates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UpdateFolder:
    monkeypatch.setattr(commands, "DEFAULT_FILE", str(tmp_path / "none.yaml"))
    monkeypatch.setattr(commands.os, "geteuid", lambda: 0)
    monkeypatch.setattr(Debian, "installed", lambda self: {"bramble-common": "1.0", "bramble-edgecore": "1.0"})
    return UpdateFolder(tmp_path / "updates")


def update(updates: UpdateFolder, *arguments: str) -> int:
    return cli.main(["update", "--folder", str(updates.path), *arguments])


def test_an_order_is_written_with_the_program_that_does_it(updates: UpdateFolder, tmp_path: Path) -> None:
    assert update(updates, "--deb", str(tmp_path), "--no-wait", "--timeout", "90") == 0
    order = updates.order()
    assert order is not None
    assert (order.source, order.folder, order.timeout, order.socket) == (Source.FOLDER, str(tmp_path), 90, "/run/bramble/edgecore.sock")
    assert updates.program.exists()
    assert update(updates, "--deb", str(tmp_path), "--no-wait") == 1
    assert updates.order() == order


def test_check_changes_nothing_and_the_present_version_is_there_already(updates: UpdateFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert update(updates, "--to", "2.0", "--check") == 0
    assert "would go from 1.0 to 2.0: bramble-common, bramble-edgecore" in capsys.readouterr().out
    assert update(updates, "--to", "1.0") == 0
    assert "already" in capsys.readouterr().out
    assert not updates.path.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--to", "2.0;reboot"], 2, "--to"),
        (["--timeout", "5"], 2, "--timeout"),
        (["--deb", "/nowhere"], 1, "is no folder"),
        (["--rollback"], 1, "no other version"),
        (["keep", "/nowhere"], 1, "name the folder"),
    ],
)
def test_what_cannot_be_is_said(
    updates: UpdateFolder, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert update(updates, *arguments) == code
    assert says in capsys.readouterr().err
    assert not updates.has_order()


def test_status_tells_what_is_under_way_and_how_the_last_ones_ended(updates: UpdateFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert update(updates, "status") == 0
    assert "No update of this board is known." in capsys.readouterr().out
    updates.make()
    updates.keep_result(Result("o1", State.ROLLED_BACK, "no link", "1.0", "2.0", 1_700_000_000, ("up", "u")))
    updates.place(Order("o2", Source.APT, "3.0"))
    assert update(updates, "status") == 0
    said = capsys.readouterr().out
    assert "Under way: by hand to 3.0: Pending" in said
    assert "RolledBack  1.0 -> 2.0  by NodeUpgradeJob up: no link" in said
    assert update(updates, "status", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["state"] == "RolledBack"
