"""The door to the FAT partition: its texts, and writing on it so that a power cut leaves the old text or the new one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from componentconfig.errors import ConfigError
from componentconfig.file import read_text
from edgecore.errors import FirstBootError

ERRORS = "bramble-errors.txt"
PAIRING = "bramble-pairing.txt"


class Partition:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def texts(self, names: tuple[str, ...]) -> dict[str, str]:
        """Those that are there.

        Raises:
            FirstBootError: one is too large, no UTF-8 or cannot be read.
        """
        try:
            return {name: read_text(self._folder / name) for name in names if (self._folder / name).is_file()}
        except ConfigError as exc:
            raise FirstBootError(str(exc)) from exc

    def names(self) -> tuple[str, ...]:
        try:
            return tuple(sorted(entry.name for entry in os.scandir(self._folder) if entry.is_file()))
        except OSError as exc:
            raise FirstBootError(f"{self._folder}: cannot be read: {exc.strerror}") from exc

    def replace(self, name: str, text: str) -> None:
        """What stood in the file before is overwritten too, as far as that helps on flash.

        Raises:
            FirstBootError: the partition refused; the old text is still there.
        """
        path, beside = self._folder / name, self._folder / f"{name}.new"
        try:
            with beside.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.ExitStack() as held:
                old = held.enter_context(path.open("r+b")) if path.exists() else None
                os.replace(beside, path)
                self._sync()
                if old is not None:
                    overwrite(old.fileno())
        except OSError as exc:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise FirstBootError(f"{path}: cannot be written: {exc.strerror}") from exc

    def tell(self, text: str, name: str = ERRORS) -> None:
        """``text`` as the file ``name``, or no such file where there is none. Writes only what is another text. Raises: FirstBootError."""
        path = self._folder / name
        try:
            if not text:
                path.unlink(missing_ok=True)
                return
            if path.is_file() and path.read_text("utf-8", "replace") == text:
                return
        except OSError as exc:
            raise FirstBootError(f"{path}: cannot be removed: {exc.strerror}") from exc
        self.replace(name, text)

    def _sync(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def overwrite(handle: int) -> None:
    """The bytes of a file that no name leads to any more."""
    size = os.fstat(handle).st_size
    os.pwrite(handle, bytes(size), 0)
    os.fsync(handle)
