"""The command line: `cloudstub --data-dir DIR --listen ADDR:PORT`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from cloudstub import __version__
from cloudstub.app import Running, start
from cloudstub.config import Config, parse_listen, parse_san
from cloudstub.errors import CloudstubError, ConfigError
from supervision.eventloop import run_until_asked
from supervision.loops import new_event_loop

LEVELS = ("debug", "info", "warning", "error")


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM. 0: stopped as asked; 1: could not start; 2: wrong flags."""
    options = _parser().parse_args(arguments)
    try:
        host, port = parse_listen(options.listen)
        sans = tuple(parse_san(text) for text in options.san)
    except ConfigError as exc:
        print(f"cloudstub: {exc}", file=sys.stderr)
        return 2
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = Config(options.data_dir, host, port, options.kubeconfig, sans, kubelet_ca=options.kubelet_certificate_authority)
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(config))
    except (CloudstubError, OSError) as exc:
        print(f"cloudstub: {exc}", file=sys.stderr)
        return 1
    return 0


async def _serve(config: Config) -> None:
    def begun(running: Running) -> None:
        _say(f"Kubernetes API at {running.url}; export KUBECONFIG={running.kubeconfig}")

    await run_until_asked(start(config), begun=begun, asked=lambda: None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("cloudstub", description="A Kubernetes API server small enough to carry.")
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="where the store, keys and tokens are kept")
    parser.add_argument("--listen", default="127.0.0.1:6443", metavar="ADDR:PORT", help="port 0: a free one (default: %(default)s)")
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="write a kubeconfig for the administrator here")
    parser.add_argument("--san", action="append", default=[], metavar="NAME", help="a further name or address of this server")
    parser.add_argument(
        "--kubelet-certificate-authority",
        type=Path,
        metavar="FILE",
        help="the CA of kubelets' certificates; without it they are not checked",
    )
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    parser.add_argument("--version", action="version", version=f"cloudstub {__version__}")
    return parser


def _say(text: str) -> None:
    """Print; a reader that has seen enough (``| head``) is no failure."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
