"""``edgecore update …``: bring this board to another version of Bramble, or back, without any cloud; see how an update went.

Exit codes: 0, 1 it failed or went back, 2 a wrong flag.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecore.config import DEFAULT_FILE, EdgeCoreConfig, read_config
from edgecore.errors import ConfigError, EdgeCoreError, UpdateError
from edgecore.updater.debian import Debian
from edgecore.updates import program
from edgecore.updates.files import DEFAULT, UpdateFolder
from edgecore.updates.order import STATE_OF_STEP, Order, Result, Source, as_json
from viaduct.upgrades.state import State
from viaduct.upgrades.task import DEFAULT_TIMEOUT, TIMEOUTS, is_version

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
_LOOK_AGAIN = 0.5
_STARTS_WITHIN = 30.0


def run(arguments: Sequence[str]) -> int:
    args = parser().parse_args(arguments[1:])
    folder = UpdateFolder(Path(args.folder))
    try:
        match args.what:
            case "status":
                return _status(folder, args)
            case "keep":
                return _keep(folder, Path(args.directory))
        return _update(folder, args)
    except ConfigError as exc:
        for problem in exc.problems:
            print(f"edgecore: {problem}", file=sys.stderr)
        return EXIT_USAGE
    except (EdgeCoreError, PermissionError) as exc:
        print(f"edgecore: update: {exc}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("edgecore: update: it goes on without you; see: edgecore update status", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="edgecore update",
        description="Bring this board to another version of Bramble. Where EdgeCore, its link or its containers do not work with it, the "
        "board goes back by itself. Containers run on.",
        epilog="edgecore update status: how the last updates went. edgecore update keep FOLDER: give it the packages of the present "
        "version, for the way back, where no archive has them any more.",
    )
    found.add_argument("what", nargs="?", choices=("status", "keep"), help="instead of an update")
    found.add_argument("directory", nargs="?", default="", metavar="FOLDER", help="with keep")
    way = found.add_mutually_exclusive_group()
    way.add_argument("--to", default="", metavar="VERSION", help="from apt's archives; without it the newest there")
    way.add_argument("--deb", default="", metavar="FOLDER", help="from the packages in this folder")
    way.add_argument("--rollback", action="store_true", help="the version before the one that runs, as it was kept")
    found.add_argument("--check", action="store_true", help="say what would be done, and do nothing")
    found.add_argument(
        "--timeout", type=int, default=DEFAULT_TIMEOUT, metavar="SECONDS", help=f"until all must be well ({DEFAULT_TIMEOUT})"
    )
    found.add_argument("--no-wait", action="store_true", help="give the order and return")
    found.add_argument("-o", "--output", choices=("json",), default="", help="of status")
    found.add_argument("--config", default="", metavar="FILE", help=f"EdgeCore's config (default {DEFAULT_FILE})")
    found.add_argument("--folder", default=str(DEFAULT), help=argparse.SUPPRESS)
    return found


def _update(folder: UpdateFolder, args: argparse.Namespace) -> int:
    if not TIMEOUTS[0] <= args.timeout <= TIMEOUTS[1]:
        print(f"edgecore: update: --timeout: expected {TIMEOUTS[0]} to {TIMEOUTS[1]}", file=sys.stderr)
        return EXIT_USAGE
    if args.to and not is_version(args.to):
        print(f"edgecore: update: --to: {args.to!r} is no version of a Debian package", file=sys.stderr)
        return EXIT_USAGE
    if os.geteuid() != 0:
        raise UpdateError("only root may do this")
    order = _order(folder, args)
    installed = Debian(folder).installed()
    present = installed.get("bramble-edgecore", "none")
    if order.version == present:
        print(f"This board has version {present} already.")
        return EXIT_OK
    text = f"from {present} to {order.version or 'the version in ' + order.folder}: {', '.join(sorted(installed))}"
    if args.check:
        print(f"would go {text}")
        return EXIT_OK
    program_at_rest(folder)
    if not folder.place(order):
        raise UpdateError("another update is under way: edgecore update status")
    print(f"going {text}", flush=True)
    return EXIT_OK if args.no_wait else _follow(folder, order)


def program_at_rest(folder: UpdateFolder) -> None:
    """The updater's program is that of this version, unless it is at work."""
    folder.make()
    if not folder.has_order():
        program.lay(folder)


def _order(folder: UpdateFolder, args: argparse.Namespace) -> Order:
    common: dict[str, Any] = {"id": f"by hand {time.time_ns()}", "timeout": args.timeout} | _places(args.config)
    if args.deb:
        source = Path(args.deb).resolve()
        if not source.is_dir():
            raise UpdateError(f"{args.deb} is no folder")
        return Order(source=Source.FOLDER, folder=str(source), **common)
    if args.rollback:
        return _back(folder, common)
    return Order(source=Source.APT, version=args.to or _candidate(), **common)


def _back(folder: UpdateFolder, common: dict[str, Any]) -> Order:
    """To what is kept of another version than the one that runs: ``present`` is of another one where somebody went past the updater."""
    packages = Debian(folder)
    runs = set(packages.installed().values())
    for place in (folder.present, folder.previous):
        versions = {deb.version for deb in packages.debs(place)} if place.is_dir() else set()
        if len(versions) == 1 and versions != runs:
            return Order(source=Source.FOLDER, version=versions.pop(), folder=str(place), **common)
    raise UpdateError("no other version than the one that runs is kept here")


def _candidate() -> str:
    told = subprocess.run(
        ["apt-cache", "policy", "bramble-edgecore"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
    )
    found = next((line.split(":", 1)[1].strip() for line in told.stdout.splitlines() if line.strip().startswith("Candidate:")), "")
    if not is_version(found):
        raise UpdateError("no archive that apt knows has bramble-edgecore; --deb FOLDER takes packages from a folder")
    return found


def _follow(folder: UpdateFolder, order: Order) -> int:
    """Say each step as it comes."""
    said, began = "", time.monotonic()
    while (result := folder.result(order.id)) is None:
        journal = folder.journal()
        step = STATE_OF_STEP.get(journal.step, State.CHECKING) if journal is not None and journal.order == order.id else None
        if step is None and time.monotonic() - began > _STARTS_WITHIN:
            raise UpdateError("bramble-update.service does not begin: systemctl status bramble-update.path bramble-update.service")
        if step is not None and step != said:
            said = step
            print(f"  {said}", flush=True)
        time.sleep(_LOOK_AGAIN)
    print(_line(result))
    return EXIT_OK if result.state is State.SUCCESSFUL else EXIT_FAILED


def _status(folder: UpdateFolder, args: argparse.Namespace) -> int:
    order, journal, results = folder.order(), folder.journal(), folder.results()
    if args.output == "json":
        under_way = {"order": as_json(order), "journal": as_json(journal) if journal else None} if order else None
        print(json.dumps({"underWay": under_way, "results": [as_json(result) for result in results]}, indent=2))
        return EXIT_OK
    if order is not None:
        state = STATE_OF_STEP.get(journal.step, journal.end) if journal is not None else State.PENDING
        print(f"Under way: {_of(order.job)} to {(journal.version if journal else order.version) or 'a folder'}: {state}")
    for result in reversed(results):
        print(_line(result))
    if order is None and not results:
        print("No update of this board is known.")
    for name, place in (("present", folder.present), ("previous", folder.previous)):
        print(f"kept, {name}: {_versions(place)}")
    return EXIT_OK


def _versions(place: Path) -> str:
    if not place.is_dir():
        return "nothing"
    return ", ".join(sorted({deb.version for deb in Debian(UpdateFolder(place.parent)).debs(place)})) or "nothing"


def _line(result: Result) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(result.ended))
    reason = f": {result.reason}" if result.reason else ""
    return f"{when}  {result.state}  {result.was} -> {result.version}  {_of(result.job)}{reason}"


def _of(job: tuple[str, str]) -> str:
    return f"by NodeUpgradeJob {job[0]}" if job[0] else "by hand"


def _keep(folder: UpdateFolder, source: Path) -> int:
    """Raises UpdateError where ``source`` has not all that is installed."""
    if not source.is_dir():
        raise UpdateError("keep: name the folder with the packages of the present version")
    packages = Debian(folder)
    installed = packages.installed()
    by_name = {(deb.name, deb.version): deb.file for deb in packages.debs(source)}
    missing = [f"{name} {version}" for name, version in installed.items() if (name, version) not in by_name]
    if missing:
        raise UpdateError(f"{source} lacks {', '.join(missing)}")
    if folder.has_order():
        raise UpdateError("an update is under way: edgecore update status")
    folder.make()
    folder.fill(folder.present, [by_name[item] for item in installed.items()])
    print(f"kept for the way back: {', '.join(f'{name} {version}' for name, version in installed.items())}")
    return EXIT_OK


def _places(config: str) -> dict[str, str]:
    """Where EdgeCore answers, and its database."""
    named = config or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else "")
    found = read_config(named)[0] if named else EdgeCoreConfig()
    return {"socket": found.modules.local_api.socket, "database": found.database.data_source}
