"""The updater's own program: one file beside its orders, made of the version that runs now.

The packages are exchanged under the updater's feet, and the power may fail while they are. So what resumes after that must not be part of
what is exchanged: a copy of the code that is known to run, which needs Python and its standard library only.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import edgecore
import viaduct
from edgecore.updates.files import UpdateFolder, sync_folder

_OF_EDGECORE = ("__init__.py", "errors.py", "updates", "updater", "localapi/__init__.py", "localapi/client.py", "localapi/wire.py")
_MAIN = "import sys\n\nfrom edgecore.updater.entry import main\n\nsys.exit(main())\n"
_WHEN = (1980, 1, 1, 0, 0, 0)


def lay(folder: UpdateFolder) -> None:
    """Have the updater of this version in ``folder``. Only while there is no order: what is under way ends with what began it."""
    folder.make()
    draft = folder.program.with_name(f"{folder.program.name}~")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", _WHEN), _MAIN)
        for name, file in _sources():
            archive.writestr(zipfile.ZipInfo(name, _WHEN), file.read_bytes(), zipfile.ZIP_DEFLATED)
    with open(draft, "rb") as stream:
        os.fsync(stream.fileno())
    os.rename(draft, folder.program)
    sync_folder(folder.path)


def _sources() -> Iterator[tuple[str, Path]]:
    """(name in the archive, file)."""
    for package, wanted in ((viaduct, ("",)), (edgecore, _OF_EDGECORE)):
        top = Path(str(package.__file__)).parent
        for part in wanted:
            place = top / part
            for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
                yield f"{top.name}/{file.relative_to(top).as_posix()}", file
