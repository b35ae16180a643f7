"""Log lines on stderr: ``2026-01-02T03:04:05.678Z info edgehub.module: linked to the cloud``."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable

LEVELS = ("debug", "info", "warning", "error")


class _Lines(logging.Formatter):
    def __init__(self, package: str) -> None:
        super().__init__()
        self._prefix = f"{package}."

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        name = record.name.removeprefix(self._prefix)
        # What another program or a device said may be in the text: it must not be able to begin a line of its own.
        text = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{stamp}.{int(record.msecs):03d}Z {record.levelname.lower()} {name}: {text}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up(level: str, package: str, quiet: Iterable[str] = ()) -> None:
    """All loggers of this process to stderr, from ``level`` (one of ``LEVELS``) on.

    ``package`` is left out of the names of its modules; the libraries in ``quiet`` say nothing below a warning.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(package))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in quiet:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
