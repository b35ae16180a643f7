"""``edgecore get|describe|logs|exec|restart|top|twin|history|status``: the command line on the board. Works without the cloud (promise A4).

Exit codes: 0, 1 failed or refused, 2 a wrong flag; with ``exec`` that of the command.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecore.config import DEFAULT_FILE, EdgeCoreConfig, read_config
from edgecore.errors import ConfigError, EdgeCoreError
from edgecore.localapi import client, flags, rulecommands, tables
from viaduct.streamrequest import StreamRequest, Verb

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
_PAGE = 10_000
_KINDS = {
    **dict.fromkeys(("pods", "pod", "po"), "pods"),
    **dict.fromkeys(("configmaps", "configmap", "cm"), "configmaps"),
    **dict.fromkeys(("secrets", "secret"), "secrets"),
    **dict.fromkeys(("services", "service", "svc"), "services"),
    **dict.fromkeys(("devices", "device"), "devices"),
    **dict.fromkeys(("nodes", "node", "no"), "nodes"),
}


def run(arguments: Sequence[str]) -> int:
    args = parser().parse_args(arguments)
    try:
        if args.action is _rules and rulecommands.is_check(args.what):
            return rulecommands.check(args.what[1:])
        path = args.socket or _socket(args.config)
        return int(args.action(path, args))
    except ConfigError as exc:
        for problem in exc.problems:
            print(f"edgecore: {problem}", file=sys.stderr)
        return EXIT_USAGE
    except EdgeCoreError as exc:
        print(f"edgecore: {exc}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return EXIT_OK


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="edgecore")
    commands = found.add_subparsers(required=True, metavar="COMMAND")

    get = _command(commands, "get", "list what this node holds", _get)
    get.add_argument("kind", choices=sorted(_KINDS), metavar="KIND", help="pods, configmaps, secrets, services, devices or nodes")
    get.add_argument("name", nargs="?", default="")
    _namespace(get)
    get.add_argument("-A", "--all-namespaces", action="store_true")
    get.add_argument("-o", "--output", choices=("json", "wide"), default="")

    describe = _command(commands, "describe", "everything about one pod or device", _describe)
    describe.add_argument("kind", choices=("pod", "pods", "po", "device", "devices"))
    describe.add_argument("name")
    _namespace(describe)
    _output(describe)

    logs = _command(commands, "logs", "what a container wrote", _logs)
    logs.add_argument("pod")
    _namespace(logs)
    logs.add_argument("-c", "--container", default="")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what it writes from now on")
    logs.add_argument("--tail", type=flags.count, default=-1, metavar="N", help="only the last N lines")
    since = logs.add_mutually_exclusive_group()
    since.add_argument("--since", type=flags.duration, metavar="TIME", help="only what is not older than, e.g. 5m or 1h30m")
    since.add_argument("--since-time", type=flags.moment, metavar="WHEN", help="only what is not older than, e.g. 2026-01-31T12:00:00Z")
    logs.add_argument("--limit-bytes", type=flags.count, default=0, metavar="N", help="no more than N bytes; 0: all")
    logs.add_argument("--timestamps", action="store_true", help="begin each line with when it was written")
    logs.add_argument("-p", "--previous", action="store_true", help="of the container before its last restart")

    execute = _command(commands, "exec", "run a command in a container: edgecore exec POD [-it] [-c CONTAINER] -- COMMAND", _exec)
    execute.add_argument("pod")
    _namespace(execute)
    execute.add_argument("-c", "--container", default="")
    execute.add_argument("-i", "--stdin", action="store_true", help="pass standard input on")
    execute.add_argument("-t", "--tty", action="store_true", help="give the command a terminal")
    execute.add_argument("command", nargs="+")

    restart = _command(commands, "restart", "stop a pod's containers and start them again", _restart)
    restart.add_argument("kind", choices=("pod", "pods", "po"))
    restart.add_argument("name")
    _namespace(restart)
    _output(restart)

    _output(_command(commands, "top", "CPU and memory of each container", _top))
    _output(_command(commands, "status", "the link to the cloud, what is owed to it, and the modules", _status))

    rulecommands.add_arguments(_command(commands, "rules", "the rules of this board, or whether those in a file are well", _rules))

    twin = _command(commands, "twin", "look at a device's twin, or set a desired value", _twin)
    twin.add_argument("what", choices=("get", "set"))
    twin.usage = "edgecore twin get DEVICE [PROPERTY] [-o json]\n       edgecore twin set DEVICE PROPERTY=VALUE | PROPERTY VALUE"
    twin.add_argument("device")
    twin.add_argument("value", nargs="*", metavar="PROPERTY[=VALUE]")
    _output(twin)

    history = _command(commands, "history", "samples of a property that is marked for collection, as this node keeps them", _history)
    history.add_argument("device")
    history.add_argument("property")
    history.add_argument(
        "--since", type=flags.time_or_age, metavar="TIME", help="not older than, e.g. 10m, 24h or 2026-01-31T12:00:00Z (default 1h)"
    )
    history.add_argument("--until", type=flags.time_or_age, metavar="TIME", help="not newer than (default now)")
    history.add_argument("--limit", type=flags.samples, default=10_000, metavar="N", help="the newest N (default 10000)")
    history.add_argument("-o", "--output", choices=("table", "csv", "json"), default="table")
    return found


def _command(commands: Any, name: str, text: str, action: Any) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    made.set_defaults(action=action)
    made.add_argument("--socket", default="", help="the socket of EdgeCore, where it is not the one in the config")
    made.add_argument("--config", default="", metavar="FILE", help=f"EdgeCore's config (default {DEFAULT_FILE})")
    return made


def _namespace(command: argparse.ArgumentParser) -> None:
    command.add_argument("-n", "--namespace", default="default")


def _output(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", choices=("json",), default="")


def _socket(config: str) -> str:
    if not config and not Path(DEFAULT_FILE).exists():
        return EdgeCoreConfig().modules.local_api.socket
    return read_config(config or DEFAULT_FILE)[0].modules.local_api.socket


def _get(path: str, args: argparse.Namespace) -> int:
    kind = _KINDS[args.kind]
    namespace = "" if args.all_namespaces else args.namespace
    found = client.ask(path, {"verb": "get", "kind": kind, "namespace": namespace, "name": args.name})
    if args.output == "json":
        _print_json(found[0] if args.name else {"kind": "List", "apiVersion": "v1", "items": found})
    elif found:
        print(tables.listing(kind, found, now=time.time(), all_namespaces=args.all_namespaces, wide=args.output == "wide"))
    else:
        print(f"No {kind} on this node" + (f" in namespace {namespace}." if namespace else "."), file=sys.stderr)
    return EXIT_OK


def _describe(path: str, args: argparse.Namespace) -> int:
    kind = _KINDS[args.kind]
    found = client.ask(path, {"verb": "describe", "kind": kind, "namespace": args.namespace, "name": args.name})
    _show(args, found, tables.device(found) if kind == "devices" else tables.described(found, now=time.time()))
    return EXIT_OK


def _logs(path: str, args: argparse.Namespace) -> int:
    request = StreamRequest(
        Verb.LOGS,
        namespace=args.namespace,
        pod=args.pod,
        container=args.container or _first_container(path, args),
        follow=args.follow,
        previous=args.previous,
        timestamps=args.timestamps,
        tail=args.tail,
        since=args.since_time or (max(1, int(time.time() - args.since)) if args.since is not None else 0),
        limit=args.limit_bytes,
    )
    return client.stream(path, request)


def _exec(path: str, args: argparse.Namespace) -> int:
    if args.tty and not sys.stdin.isatty():
        print("edgecore: --tty: standard input is no terminal, so the command gets none", file=sys.stderr)
        args.tty = False
    request = StreamRequest(
        Verb.EXEC,
        namespace=args.namespace,
        pod=args.pod,
        container=args.container or _first_container(path, args),
        command=tuple(args.command),
        stdin=args.stdin,
        stdout=True,
        stderr=not args.tty,
        tty=args.tty,
    )
    return client.stream(path, request)


def _restart(path: str, args: argparse.Namespace) -> int:
    said = client.ask(path, {"verb": "restart", "namespace": args.namespace, "name": args.name})
    _show(args, said, f"pod {args.name}: restarted {', '.join(said['restarted']) or 'nothing, no container was there'}")
    return EXIT_OK


def _top(path: str, args: argparse.Namespace) -> int:
    rows = client.ask(path, {"verb": "top"})
    _show(args, rows, tables.usage(rows))
    return EXIT_OK


def _status(path: str, args: argparse.Namespace) -> int:
    status = client.ask(path, {"verb": "status"})
    _show(args, status, tables.overview(status))
    return EXIT_OK


def _rules(path: str, args: argparse.Namespace) -> int:
    return rulecommands.show(path, args)


def _twin(path: str, args: argparse.Namespace) -> int:
    if args.what == "set":
        name, equals, value = "=".join(args.value).partition("=")
        if not (name and equals) or len(args.value) > 2:
            print("edgecore: twin set: expected PROPERTY=VALUE", file=sys.stderr)
            return EXIT_USAGE
        device = client.ask(path, {"verb": "twin-set", "device": args.device, "property": name, "value": value})
    elif len(args.value) > 1:
        print("edgecore: twin get: expected one PROPERTY, or none for all", file=sys.stderr)
        return EXIT_USAGE
    else:
        device = client.ask(path, {"verb": "twin-get", "device": args.device})
        name = args.value[0] if args.value else ""
    if name:
        if name not in device["twins"]:
            raise EdgeCoreError(f"device {args.device} has no property {name}")
        device["twins"] = {name: device["twins"][name]}
    _show(args, device, tables.twins(device))
    return EXIT_OK


def _history(path: str, args: argparse.Namespace) -> int:
    since = args.since if args.since is not None else flags.time_or_age("1h")
    if args.until is not None and args.until < since:
        print("edgecore: history: --until is before --since", file=sys.stderr)
        return EXIT_USAGE
    samples, more = _samples(path, args, since)
    if more:
        print(f"edgecore: there are older samples too: these are the newest {args.limit} (--limit)", file=sys.stderr)
    if args.output == "json":
        _print_json([{"time": tables.stamp(moment), "value": value} for moment, value in samples])
    elif args.output == "csv":
        print(tables.samples_csv(samples))
    elif samples:
        print(tables.samples(samples))
    else:
        print(f"No samples of {args.device} {args.property} in this time.", file=sys.stderr)
    return EXIT_OK


def _samples(path: str, args: argparse.Namespace, since: int) -> tuple[list[tuple[int, str]], bool]:
    """The newest ``--limit`` of them, oldest first, and whether there are older ones: asked for a page at a time, newest first."""
    found: list[tuple[int, str]] = []
    question = {"verb": "history", "device": args.device, "property": args.property, "since_ms": since}
    if args.until is not None:
        question["until_ms"] = args.until
    while True:
        said = client.ask(path, question | {"limit": min(args.limit - len(found), _PAGE)})
        found = [(moment, value) for moment, value in said["samples"]] + found
        if not said["more"] or len(found) >= args.limit:
            return found, said["more"]
        question["until_ms"] = found[0][0] - 1


def _first_container(path: str, args: argparse.Namespace) -> str:
    """As kubectl: the pod's first one, and it says so where there is a choice."""
    pod = client.ask(path, {"verb": "get", "kind": "pods", "namespace": args.namespace, "name": args.pod})[0]
    names = [str(container.get("name")) for container in (pod.get("spec") or {}).get("containers") or []]
    if len(names) > 1:
        print(f'Defaulted container "{names[0]}" out of: {", ".join(names)}', file=sys.stderr)
    return names[0] if names else ""


def _show(args: argparse.Namespace, value: Any, text: str) -> None:
    if args.output == "json":
        _print_json(value)
    else:
        print(text)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
