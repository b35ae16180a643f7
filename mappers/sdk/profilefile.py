"""The door to the profile file, which may not exist yet, be swapped by a symbolic link or be written over."""

from __future__ import annotations

from pathlib import Path

from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import MAX_PROFILE_BYTES


def read(path: Path) -> bytes | None:
    """What is in it, at most one byte more than a profile may have; None when there is no such file.

    Read anew each time: it is small, and a change within one tick of the file system's clock would not show in its times.

    Raises:
        ProfileError: it is there but cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_PROFILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ProfileError(str(path), f"cannot be read: {exc.strerror or exc}") from exc
