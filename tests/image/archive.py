"""A container image of one program, made without an engine: the archive that EdgeCore loads from its folder."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from demo.stage import run
from images.sdcard.build import TOP, default_mirror
from images.sdcard.recipe import SUITE

NAME = "localhost/box:1"
_OCI = {"arm64": "arm64", "armhf": "arm", "amd64": "amd64"}
_CACHE = TOP / "dist" / "images"


def busybox(arch: str) -> Path:
    """Debian's static busybox for the board, which no program of its own needs to be run for. Fetched once."""
    kept = _CACHE / f"busybox-{arch}"
    if not kept.exists():
        unfinished = kept.with_suffix(".tar")
        command = ("mmdebstrap", "--variant=extract", "--include=busybox-static", f"--architectures={arch}", "--skip=check/qemu")
        run(*command, SUITE, unfinished, f"deb {default_mirror()} {SUITE} main", timeout=900)
        with tarfile.open(unfinished) as tree:
            found = next(member for member in tree if member.name.endswith("/bin/busybox") and member.isfile())
            source = tree.extractfile(found)
            assert source is not None
            kept.write_bytes(source.read())
        unfinished.unlink()
    return kept


def archive(program: Path, arch: str) -> bytes:
    """In the form of ``docker save``: the program as /bin/busybox and /bin/sh."""
    layer = _tar({"bin/busybox": program.read_bytes(), "bin/sh": program.read_bytes()}, 0o755)
    config = {
        "architecture": _OCI[arch],
        "os": "linux",
        "config": {"Entrypoint": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    text = json.dumps(config).encode()
    digest = hashlib.sha256(text).hexdigest()
    manifest = [{"Config": f"{digest}.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    return _tar({f"{digest}.json": text, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}, 0o644)


def _tar(files: dict[str, bytes], mode: int) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            made.addfile(member, io.BytesIO(data))
    return whole.getvalue()
