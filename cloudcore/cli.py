"""``cloudcore``: run CloudCore, or manage join tokens and revocations (``cloudcore token …``, ``cloudcore revoke NODE``)."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from cloudcore import app, logs
from cloudcore.config import DEFAULT_FILE, CloudCoreConfig, read_config
from cloudcore.errors import CloudCoreError, ConfigError, KubeUnreachable
from cloudcore.pki.commands import add_token_parser, run_token
from componentconfig.flags import add_config_flags, answer
from viaduct import __version__

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0, 1 where something failed, 2 for a wrong flag or setting."""
    args = _parser().parse_args(argv)
    text = answer(args, CloudCoreConfig, __version__)
    if text is not None:
        print(text)
        return EXIT_OK
    logs.set_up(args.log_level)
    try:
        config = _config(args)
        if getattr(args, "token_command", None):
            print(_run(_token(args, config)))
            return EXIT_OK
        return _run(_serve(config))
    except ConfigError as exc:
        for problem in exc.problems:
            print(f"cloudcore: {problem}", file=sys.stderr)
        return EXIT_CONFIG
    except KubeUnreachable as exc:
        print(f"cloudcore: the Kubernetes API cannot be reached: {exc}", file=sys.stderr)
        return EXIT_FAILED
    except CloudCoreError as exc:
        print(f"cloudcore: {exc}", file=sys.stderr)
        return EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cloudcore", description="Cloud services between a Kubernetes API and edge boards.")
    add_config_flags(parser, DEFAULT_FILE)
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info", help="how much to say on stderr (default info)")
    add_token_parser(parser.add_subparsers(metavar="token|revoke"))
    return parser


def _config(args: argparse.Namespace) -> CloudCoreConfig:
    path = args.config or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
    if path is None:
        return CloudCoreConfig()
    config, warnings = read_config(path)
    for warning in warnings:
        logger.warning("%s: %s", path, warning)
    return config


async def _token(args: argparse.Namespace, config: CloudCoreConfig) -> str:
    if args.kubeconfig:
        config = replace(config, kube_api=replace(config.kube_api, kube_config=args.kubeconfig, master=""))
    kube = app.kube_client(config)
    try:
        return await run_token(args, kube)
    finally:
        await kube.close()


async def _serve(config: CloudCoreConfig) -> int:
    """Run until SIGINT or SIGTERM, also while the start still waits for the API."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    stopping = loop.create_task(asked.wait())
    starting = loop.create_task(app.start(config))
    await asyncio.wait({stopping, starting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return EXIT_OK
    running = await starting
    logger.info("CloudCore %s serves nodes", __version__)
    await stopping
    logger.info("stopping")
    await running.stop()
    return EXIT_OK


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """On uvloop where it is installed: it takes a sixth of asyncio's memory for a TLS connection."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):
        factory = import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


if __name__ == "__main__":
    sys.exit(main())
