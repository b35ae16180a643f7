"""Updates of Bramble: how the last one ended, where it did not end well."""

from __future__ import annotations

from collections.abc import Collection

from edgecore.doctor.board import NeedsRoot
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.doctor.wording import minute
from edgecore.updates.files import DEFAULT, UpdateFolder
from edgecore.updates.order import Result
from viaduct.upgrades.state import State

_LOG = "journalctl -u bramble-update -u edgecore"
_LIST = ("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${db:Status-Abbrev}\n", "bramble-*")
_GONE = ("un", "rc", "pn")


def judge_update(last: Result | None, *, under_way: bool, installed: Collection[tuple[str, str, str]], runs: bool, kept: str) -> Verdict:
    """``installed``: package, version and dpkg's two letters for its state, of each that is there. ``runs``: EdgeCore does. ``kept``: the
    folder with the packages of the version from before the update; empty where there are none."""
    if under_way:
        return ok("an update is under way: edgecore update status")
    if last is None:
        return skipped("no update of this board is known")
    said = f"the update of {minute(last.ended)} from {last.was} to {last.version or 'an unknown version'}"
    versions = {version for _, version, _ in installed}
    whole = len(versions) == 1 and all(state == "ii" for _, _, state in installed)
    if last.state is State.ROLLBACK_FAILED:
        return _not_back(f"{said} failed, and so did going back ({last.reason})", installed, mended=whole and runs, kept=kept)
    if whole and versions != {last.was} and last.state is not State.SUCCESSFUL:
        return ok(f"{said} ended as {last.state}; {versions.pop()} was installed since")
    if last.state is State.ROLLED_BACK:
        return warning(
            f"{said} was rolled back ({last.reason}); {last.was} runs",
            f"see why: {_LOG}; when what is named is mended, order it again: edgecore update, or another NodeUpgradeJob",
        )
    return ok(f"{said} ended as {last.state}{f' ({last.reason})' if last.reason else ''}")


def _not_back(text: str, installed: Collection[tuple[str, str, str]], *, mended: bool, kept: str) -> Verdict:
    if mended:
        return warning(
            f"{text}; EdgeCore runs now and its packages are whole",
            "look whether pods run: edgecore get pods; the next update that ends well ends this",
        )
    found = ", ".join(f"{package} {version} ({state})" for package, version, state in sorted(installed)) or "no package of Bramble"
    again = f"dpkg --install {kept}/*.deb" if kept else "apt install --reinstall --allow-downgrades with each package and =VERSION"
    return wrong(f"{text}; installed are {found}", f"{again}; systemctl restart edgecore; where it does not run then: {_LOG}")


def _look_update(case: Case) -> Verdict:
    if not case.board.exists(DEFAULT):
        return skipped("no update of this board is known")
    if not case.board.is_root():
        raise NeedsRoot(str(DEFAULT))
    folder = UpdateFolder(case.board.place(DEFAULT))
    results = folder.results()
    rows = [line.split("\t") for line in case.board.run(*_LIST).output.splitlines()]
    installed = [(row[0], row[1], row[2].strip()) for row in rows if len(row) == 3 and row[1] and row[2].strip() not in _GONE]
    return judge_update(
        results[-1] if results else None,
        under_way=folder.has_order(),
        installed=installed,
        runs=bool(case.agent()),
        kept=str(DEFAULT / folder.present.name) if case.board.find(f"{DEFAULT}/{folder.present.name}/*.deb") else "",
    )


CHECKS = (
    Check(
        "update",
        Group.AGENT,
        "the last update of Bramble was not rolled back, and no going back failed",
        "After going back the board works with the version that it was to leave; where that failed too it may not work at all.",
        _look_update,
        root=True,
    ),
)
