"""``edgecore``: run the agent, make this board a node (``edgecore join|pair …``), or ask the agent (``edgecore get pods …``).

Exit codes: 0, 1 failed, 2 wrong flag or setting.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from componentconfig.flags import add_config_flags, answer
from edgecore import app
from edgecore.config import DEFAULT_FILE, EdgeCoreConfig, read_config
from edgecore.errors import ConfigError, EdgeCoreError
from supervision import logs
from viaduct import __version__

logger = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2

LOCAL_COMMANDS = ("get", "describe", "logs", "exec", "restart", "rules", "top", "twin", "history", "status")
"""Of the command line on the board, which asks the running agent."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["join"]:
        return _join(arguments)
    if arguments[:1] == ["pair"]:
        return _pair(arguments)
    if arguments[:1] and arguments[0] in LOCAL_COMMANDS:
        return _ask(arguments)
    if arguments[:1] == ["doctor"]:
        return _examine(arguments)
    if arguments[:1] == ["diag"]:
        return _pack(arguments)
    if arguments[:1] == ["firstboot"]:
        return _set_up(arguments)
    if arguments[:1] == ["update"]:
        return _update(arguments)
    args = _parser().parse_args(arguments)
    text = answer(args, EdgeCoreConfig, __version__)
    if text is not None:
        _say(text)
        return EXIT_OK
    logs.set_up(args.log_level, "edgecore", quiet=("websocket", "urllib3", "podman", "requests", "peewee"))
    try:
        return app.run(_config(args.config))
    except ConfigError as exc:
        for problem in exc.problems:
            print(f"edgecore: {problem}", file=sys.stderr)
        return EXIT_CONFIG
    except EdgeCoreError as exc:
        print(f"edgecore: {exc}", file=sys.stderr)
        return EXIT_FAILED


def _ask(arguments: Sequence[str]) -> int:
    """Loaded only here, as ``join``."""
    from edgecore.localapi.commands import run

    return run(arguments)


def _examine(arguments: Sequence[str]) -> int:
    """Loaded only here: the agent has no use for it."""
    from edgecore.doctor.commands import run

    return run(arguments)


def _pack(arguments: Sequence[str]) -> int:
    """Loaded only here, as ``doctor``."""
    from edgecore.diag.commands import run

    return run(arguments)


def _set_up(arguments: Sequence[str]) -> int:
    """Loaded only here, as ``join``."""
    from edgecore.firstboot.commands import run

    return run(arguments)


def _update(arguments: Sequence[str]) -> int:
    """Loaded only here, as ``doctor``."""
    from edgecore.updater.commands import run

    return run(arguments)


def _join(arguments: Sequence[str]) -> int:
    """Loaded only here: the agent has no use for it."""
    from edgecore.certs.commands import add_join_parser, run_join

    parser = argparse.ArgumentParser(prog="edgecore")
    add_join_parser(parser.add_subparsers(required=True))
    return run_join(parser.parse_args(arguments), sys.stdout, sys.stderr)


def _pair(arguments: Sequence[str]) -> int:
    """Loaded only here, as ``join``."""
    from edgecore.pairing.commands import run

    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgecore",
        description="The agent on an edge board: pods, devices and one durable link to the cloud.",
        epilog="edgecore join --help tells how this board becomes a node, edgecore pair --help how it does so without a token; "
        "with the agent running, edgecore "
        f"{'|'.join(LOCAL_COMMANDS)} --help tell how to ask it, also without the cloud. "
        "edgecore doctor says what is wrong with this board, edgecore diag packs what others need to find a fault, "
        "edgecore update brings it to another version of Bramble, and back where that one does not work.",
    )
    add_config_flags(parser, DEFAULT_FILE)
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info", help="how much to say on stderr (default info)")
    return parser


def _config(path: str | None) -> EdgeCoreConfig:
    path = path or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
    if path is None:
        logger.warning("there is no %s: running with the defaults", DEFAULT_FILE)
        return EdgeCoreConfig()
    config, warnings = read_config(path)
    for warning in warnings:
        logger.warning("%s: %s", path, warning)
    return config


def _say(text: str) -> None:
    """Print; a reader that has seen enough (``| head``) is no failure."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
