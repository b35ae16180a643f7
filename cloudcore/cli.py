"""``cloudcore``: run CloudCore, or manage who may come in (``cloudcore pair|token|node|ca …``), or see what boards uploaded
and sampled."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from cloudcore import app
from cloudcore.config import DEFAULT_FILE, CloudCoreConfig, read_config
from cloudcore.errors import CloudCoreError, ConfigError, KubeUnreachable
from cloudcore.history.commands import add_history_parser
from cloudcore.limits import allow_connections, collect_garbage_rarely
from cloudcore.pki.cacommands import add_ca_parser
from cloudcore.pki.commands import add_token_parser
from cloudcore.pki.nodecommands import add_node_parser
from cloudcore.pki.paircommands import add_pair_parser
from cloudcore.records.commands import add_records_parser
from componentconfig.flags import add_config_flags, answer
from supervision import logs
from supervision.eventloop import run_until_asked, signs_of_life
from supervision.loops import new_event_loop
from supervision.notify import ServiceManager, service_manager
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
        _say(text)
        return EXIT_OK
    logs.set_up(args.log_level, "cloudcore", quiet=("aiohttp", "asyncio"))
    try:
        config = _config(args)
        if getattr(args, "look", None):
            _say(args.look(args, args.file_of(config)))
            return EXIT_OK
        if getattr(args, "run", None):
            _say(_run(_command(args, config)))
            return EXIT_OK
        collect_garbage_rarely()
        allow_connections(config.modules.cloudhub.node_limit)
        return _run(_supervised(config, service_manager()))
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
    commands = parser.add_subparsers(metavar="pair|token|node|ca|records|history")
    for add in (add_pair_parser, add_token_parser, add_node_parser, add_ca_parser, add_records_parser, add_history_parser):
        add(commands)
    return parser


def _config(args: argparse.Namespace) -> CloudCoreConfig:
    path = args.config or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
    if path is None:
        return CloudCoreConfig()
    config, warnings = read_config(path)
    for warning in warnings:
        logger.warning("%s: %s", path, warning)
    return config


async def _command(args: argparse.Namespace, config: CloudCoreConfig) -> str:
    if args.kubeconfig:
        config = replace(config, kube_api=replace(config.kube_api, kube_config=args.kubeconfig, master=""))
    kube = app.kube_client(config)
    try:
        return str(await args.run(args, kube))
    finally:
        await kube.close()


async def _supervised(config: CloudCoreConfig, manager: ServiceManager) -> int:
    """Ready from the first moment on: CloudCore waits for the API by itself, and nothing that starts beside it has to."""
    manager.ready("waits for the Kubernetes API")
    async with signs_of_life(manager):
        return await _serve(config, manager)


async def _serve(config: CloudCoreConfig, manager: ServiceManager) -> int:
    def begun(_: app.Running) -> None:
        logger.info("CloudCore %s serves nodes", __version__)
        manager.status("serves nodes")

    def asked() -> None:
        manager.stopping()
        logger.info("stopping")

    await run_until_asked(app.start(config), begun=begun, asked=asked)
    return EXIT_OK


def _say(text: str) -> None:
    """Print; a reader that has seen enough (``| head``) is no failure."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


if __name__ == "__main__":
    sys.exit(main())
