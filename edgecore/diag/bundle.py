"""Makes the parts, masks them, and writes them into one tar.gz of mode 0600."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecore.diag.masking import Masks
from edgecore.diag.parts import Part
from edgecore.doctor.board import NeedsRoot
from edgecore.doctor.case import Case
from edgecore.errors import EdgeCoreError

MOST_BYTES = 4 * 1024 * 1024
"""Of one part; of a longer one the end is kept."""

_ABOUT = """Made by edgecore diag on {node}.

doctor.json says what is wrong. There are no keys, no Secrets, no passwords and no tokens in here, no values of devices, and of pods
neither commands nor environment. What looked like a secret was replaced by ***. Logs are what programs wrote: look through logs/ before
you pass this on.
"""


@dataclass(frozen=True, slots=True)
class Made:
    """``missing``: parts that are not in it, and why."""

    files: dict[str, bytes]
    missing: dict[str, str]


def make(parts: Sequence[Part], case: Case, masks: Masks) -> Made:
    """A part that fails or hangs is left out and named."""
    files: dict[str, bytes] = {"README.txt": _ABOUT.format(node=case.board.host_name()).encode()}
    missing: dict[str, str] = {}
    for part in parts:
        outcome: list[Any] = []
        thread = threading.Thread(target=_made, args=(part, case, outcome), name=part.name, daemon=True)
        thread.start()
        thread.join(part.limit)
        if not outcome:
            missing[part.name] = f"not done within {part.limit:g} s"
        elif isinstance(outcome[0], Exception):
            missing[part.name] = masks.text(_said(outcome[0]))
        else:
            files[part.name] = _encoded(outcome[0], masks)[-MOST_BYTES:]
    if missing:
        files["missing.txt"] = "".join(f"{name}: {reason}\n" for name, reason in missing.items()).encode()
    return Made(files, missing)


def write(files: dict[str, bytes], target: Path, folder: str, now: float) -> int:
    """The bundle at ``target``, its files below ``folder``. Its size.

    Raises:
        EdgeCoreError: it cannot be written; what was there is still there.
    """
    data = io.BytesIO()
    with gzip.GzipFile(fileobj=data, mode="wb", mtime=int(now)) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(now)
            archive.addfile(entry, io.BytesIO(content))
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(data.getvalue())
        os.replace(beside, target)
    except OSError as exc:
        with suppress(OSError):
            beside.unlink()
        raise EdgeCoreError(f"{target}: cannot be written: {exc.strerror}") from exc
    return len(data.getvalue())


def _made(part: Part, case: Case, outcome: list[Any]) -> None:
    try:
        outcome.append(part.make(case))
    except Exception as exc:  # whatever a part stumbles over, the others are wanted
        outcome.append(exc)


def _said(error: Exception) -> str:
    if isinstance(error, NeedsRoot):
        return f"only root may look at {error}"
    return str(error) if isinstance(error, EdgeCoreError) else f"{type(error).__name__}: {error}"


def _encoded(made: Any, masks: Masks) -> bytes:
    if isinstance(made, str):
        return masks.text(made).encode("utf-8", "replace")
    return (json.dumps(masks.value(made), indent=2, ensure_ascii=False, default=str) + "\n").encode("utf-8", "replace")
