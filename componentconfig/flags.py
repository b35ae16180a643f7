"""The flags that every component has: ``--config FILE --defaultconfig --minconfig --version`` (contract 9.1)."""

from __future__ import annotations

import argparse
from typing import Any

from componentconfig.rendering import render_default, render_min


def add_config_flags(parser: argparse.ArgumentParser, default_file: str) -> None:
    """Add the flags to ``parser``. ``args.config`` is None when the flag was not given; the caller then looks for ``default_file``."""
    parser.add_argument("--config", metavar="FILE", help=f"the component config to read (default {default_file}, where it exists)")
    parser.add_argument("--defaultconfig", action="store_true", help="print the full default config, commented, and end")
    parser.add_argument("--minconfig", action="store_true", help="print a minimal config and end")
    parser.add_argument(
        "--version", nargs="?", const="true", choices=("true", "false", "raw"), help="print the version and end (raw: only the number)"
    )


def answer(args: argparse.Namespace, root: type[Any], version: str) -> str | None:
    """The text to print before ending with code 0, or None when the program should go on.

    In KubeEdge's order: version, minconfig, defaultconfig.
    """
    if args.version not in (None, "false"):
        return version if args.version == "raw" else f"Bramble {version}"
    if args.minconfig:
        return render_min(root())
    if args.defaultconfig:
        return render_default(root)
    return None
