"""A Kubernetes API server small enough to carry: one process, one SQLite file, real kubectl."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("bramble")
except PackageNotFoundError:
    # Run from a checkout that was not installed.
    __version__ = "0+unknown"
