"""The door to the profile file, which may not exist yet, be swapped by a symbolic link or be written over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import MAX_PROFILE_BYTES


class ProfileFile:
    """A source of devices: ``deviceProfile.json`` as KubeEdge and EdgeCore lay it down."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.awaited = f"{path} is not there yet; waiting for it"
        self.gone = f"{path} is gone, and its devices with it"

    def look(self) -> Mapping[str, bytes]:
        """Raises ProfileError."""
        content = read(self.path)
        return {} if content is None else {"": content}

    def take(self, topic: str, payload: bytes) -> bool:
        return False

    def broker_back(self) -> None:
        """Nothing is asked of EdgeCore."""


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
