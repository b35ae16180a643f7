"""The updater's program: what bramble-update.service runs, out of the one file that ``edgecore.updates.program`` lays."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from edgecore.updater.board import Board
from edgecore.updater.database import DatabaseCopy
from edgecore.updater.debian import Debian
from edgecore.updater.worker import Worker
from edgecore.updates.files import DEFAULT, UpdateFolder


def main() -> int:
    """Exit codes: 0 the order is done, however it ended; 1 begin again. The argument: another folder (for tests)."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.umask(0o022)
    folder = UpdateFolder(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
    try:
        Worker(folder, Debian(folder), Board, DatabaseCopy(folder.database)).run()
    except Exception:
        logging.exception("the updater failed; it begins again")
        return 1
    return 0
