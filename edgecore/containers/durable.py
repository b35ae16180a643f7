"""Images on the disk. Podman says that an image is here when the contents of its files may still be in memory alone; a power cut within the
next half minute leaves files that are empty, in layers that count as complete."""

from __future__ import annotations

import os


def sync_file_system(place: str) -> None:
    """Return when all that was written to the file system of ``place`` is on its disk.

    Raises:
        OSError: there is no such place, or the disk does not take it.
    """
    import ctypes  # only where an image has come: it costs memory

    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), place)
    finally:
        os.close(handle)
