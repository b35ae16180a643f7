"""``edgesite``: a whole site on this machine: a Kubernetes API for kubectl, and CloudCore for the boards."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cloudcore.errors import CloudCoreError, ConfigError
from cloudcore.limits import allow_connections, collect_garbage_rarely
from componentconfig.flags import add_config_flags, answer
from edgesite import app
from edgesite.config import DEFAULT_FILE, EdgeSiteConfig, read_config
from supervision import logs
from supervision.eventloop import run_until_asked, signs_of_life
from supervision.loops import new_event_loop
from supervision.notify import ServiceManager, service_manager
from viaduct import __version__

logger = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0, 1 where something failed, 2 for a wrong flag or setting."""
    args = _parser().parse_args(argv)
    text = answer(args, EdgeSiteConfig, __version__)
    if text is not None:
        _say(text)
        return EXIT_OK
    logs.set_up(args.log_level, "cloudcore", quiet=("aiohttp", "asyncio"))
    try:
        config = _config(args)
        collect_garbage_rarely()
        allow_connections(config.modules.cloudhub.node_limit)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(_supervised(config, service_manager()))
    except ConfigError as exc:
        for problem in exc.problems:
            print(f"edgesite: {problem}", file=sys.stderr)
        return EXIT_CONFIG
    except CloudCoreError as exc:
        print(f"edgesite: {exc}", file=sys.stderr)
        return EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgesite", description="A whole site on this machine: a Kubernetes API and CloudCore.")
    add_config_flags(parser, DEFAULT_FILE)
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info", help="how much to say on stderr (default info)")
    return parser


def _config(args: argparse.Namespace) -> EdgeSiteConfig:
    path = args.config or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
    if path is None:
        return EdgeSiteConfig()
    config, warnings = read_config(path)
    for warning in warnings:
        logger.warning("%s: %s", path, warning)
    return config


async def _supervised(config: EdgeSiteConfig, manager: ServiceManager) -> int:
    async with signs_of_life(manager):
        return await _serve(config, manager)


async def _serve(config: EdgeSiteConfig, manager: ServiceManager) -> int:
    def begun(running: app.Running) -> None:
        logger.info("the site serves kubectl at %s with %s", running.api.url, running.api.kubeconfig)
        logger.info("boards enrol on port %d and connect on port %d", running.cloud.https_port, running.cloud.hub_port)
        manager.ready(f"serves kubectl at {running.api.url}, and boards")

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


if __name__ == "__main__":
    sys.exit(main())
