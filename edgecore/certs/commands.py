"""``edgecore join``: this board becomes a node of a cluster; its config, CA, key and certificate are written."""

from __future__ import annotations

import argparse
import dataclasses
import socket
import sys
from pathlib import Path
from typing import Any, TextIO

from componentconfig import file as configfile
from componentconfig.checks import optional_node_name
from componentconfig.rendering import render_min
from edgecore.certs.files import IdentityFiles, check_writable, write_whole
from edgecore.certs.identity import NodeIdentity
from edgecore.certs.joinconfig import with_values
from edgecore.certs.jointoken import Endpoint, JoinToken, parse_endpoint, parse_token
from edgecore.certs.renewal import files_of
from edgecore.config import DEFAULT_FILE, EdgeCoreConfig, read_config
from edgecore.errors import ConfigError, IdentityError
from viaduct.handshake import HTTPS_PORT, HUB_PORT


@dataclasses.dataclass(frozen=True, slots=True)
class Join:
    """What the flags ask for. ``name`` is empty where it was not given."""

    cloud: Endpoint
    hub: Endpoint
    token: JoinToken
    name: str
    config: Path
    force: bool


def add_join_parser(subparsers: Any) -> None:
    """Add ``join`` to the result of ``ArgumentParser.add_subparsers()``."""
    join = subparsers.add_parser("join", help="make this board a node: get its certificate and write its config")
    join.add_argument("--cloud", required=True, metavar="HOST[:PORT]", help=f"CloudCore's enrolment address (default port {HTTPS_PORT})")
    join.add_argument("--token", required=True, metavar="T", help="from: cloudcore token create; - reads it from standard input")
    join.add_argument("--hub-port", type=int, default=HUB_PORT, metavar="PORT", help=f"CloudHub's port (default {HUB_PORT})")
    join.add_argument("--name", default="", metavar="N", help="the node's name (default: that in the config, else the host name)")
    join.add_argument("--config", default=DEFAULT_FILE, metavar="FILE", help=f"the config to write or complete (default {DEFAULT_FILE})")
    join.add_argument("--force", action="store_true", help="replace the identity of another node or cluster")


def run_join(args: argparse.Namespace, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> int:
    """Join and say so. The exit code: 0 done, 1 not possible (the cloud, the disk), 2 wrong flag or config."""
    try:
        asked = _asked(args)
        config, warnings = read_config(asked.config) if asked.config.exists() else (EdgeCoreConfig(), [])
        node = _node_name(asked.name, config)
    except (ConfigError, IdentityError) as exc:
        err.write(f"edgecore join: {exc}\n")
        return 2
    err.writelines(f"edgecore join: {warning}\n" for warning in warnings)
    try:
        identity = _join(asked, config, node)
    except (ConfigError, IdentityError) as exc:
        err.write(f"edgecore join: {exc}\n")
        return 1
    out.write(
        f"node {identity.node} joined {asked.hub}\n"
        f"certificate {files_of(config.modules.edgehub).certificate}\nconfig {asked.config}\n"
        f"start it with: edgecore --config {asked.config}\n"
    )
    return 0


def _asked(args: argparse.Namespace) -> Join:
    cloud = parse_endpoint(args.cloud, HTTPS_PORT, "--cloud")
    if not 0 < args.hub_port <= 65535:
        raise IdentityError(f"--hub-port: expected a port from 1 to 65535, got {args.hub_port}")
    text = sys.stdin.readline(8192) if args.token == "-" else args.token
    config = Path(args.config).absolute()
    return Join(cloud, Endpoint(cloud.host, args.hub_port), parse_token(text), args.name, config, args.force)


def check_ready(path: Path, name: str, *, force: bool) -> str:
    """The name under which this board would join, ``name`` if that is not empty.

    Raises:
        ConfigError, IdentityError: it has an identity that is not to be replaced, or a join would fail on this board's own side.
    """
    config = read_config(path)[0] if path.exists() else EdgeCoreConfig()
    node = _node_name(name, config)
    somewhere = Endpoint("site", HTTPS_PORT)
    files = files_of(config.modules.edgehub)
    _config_text(Join(somewhere, somewhere, JoinToken("", ""), name, path, force), config, node)
    check_writable(files.ca, files.certificate, files.key, path)
    if files.exist() and not force:
        raise IdentityError(f"{files.certificate} is there: this board has joined a cloud already; --force replaces its identity")
    return node


def _node_name(name: str, config: EdgeCoreConfig) -> str:
    node = name or config.modules.edged.hostname_override or socket.gethostname().lower()
    if not node or (expected := optional_node_name(node)):
        raise IdentityError(f"--name: expected {expected if node else 'a node name'}, got {node[:64]!r}")
    return node


def _join(asked: Join, config: EdgeCoreConfig, node: str) -> NodeIdentity:
    from edgecore.certs import enrol  # imports cryptography, which no other command may pay for

    files = files_of(config.modules.edgehub)
    text = _config_text(asked, config, node)
    check_writable(files.ca, files.certificate, files.key, asked.config)  # a one-time token must not be spent for nothing
    if files.exist() and not asked.force:
        _check_same(enrol.describe, files, node, asked.token)
    identity = enrol.enrol(asked.cloud, asked.token, node, files)
    write_whole(asked.config, text.encode(), _mode(asked.config))
    return identity


def _check_same(describe: Any, files: IdentityFiles, node: str, token: JoinToken) -> None:
    """The same node of the same cluster may join again. Raises: IdentityError: the files are those of another."""
    try:
        known: NodeIdentity = describe(files)
    except IdentityError as exc:
        raise IdentityError(f"{files.certificate} is there and cannot be read ({exc}); --force replaces it") from exc
    if known.node != node:
        raise IdentityError(f"{files.certificate} is that of node {known.node}, not {node}; --force replaces it")
    if known.authority != token.pin:
        raise IdentityError(f"{files.certificate} is that of another cluster; --force replaces it")


def _config_text(asked: Join, config: EdgeCoreConfig, node: str) -> str:
    http_server = "" if asked.cloud.port == HTTPS_PORT else f"https://{asked.cloud}"  # one line to edit when the cloud moves
    if not asked.config.exists():
        modules = config.modules
        hub = dataclasses.replace(
            modules.edgehub, http_server=http_server, websocket=dataclasses.replace(modules.edgehub.websocket, server=str(asked.hub))
        )
        edged = dataclasses.replace(modules.edged, hostname_override=node)
        return render_min(dataclasses.replace(config, modules=dataclasses.replace(modules, edgehub=hub, edged=edged)))
    changes = {
        ("modules", "edged", "hostnameOverride"): node,
        ("modules", "edgehub", "websocket", "server"): str(asked.hub),
    }
    if config.modules.edgehub.http_server != http_server:
        changes["modules", "edgehub", "httpServer"] = http_server
    if config.modules.edgehub.token:
        changes["modules", "edgehub", "token"] = ""
    return with_values(configfile.read_text(asked.config), changes)


def _mode(path: Path) -> int:
    """A file that is there keeps its mode."""
    return path.stat().st_mode & 0o777 if path.exists() else 0o644
