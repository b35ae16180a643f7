"""``edgecore rules``: the rules of this board as they stand, and what is wrong with a file of rules before it is applied."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from edgecore.errors import EdgeCoreError
from edgecore.localapi import client, ruletables

CHECK = "check"
_LARGEST_FILE = 1024 * 1024


def add_arguments(command: argparse.ArgumentParser) -> None:
    command.usage = "edgecore rules [-o json|yaml] [NAME]\n       edgecore rules check FILE [FILE ...]"
    command.add_argument("what", nargs="*", metavar="NAME | check FILE", help="one rule; or files to check before they are applied")
    command.add_argument("-o", "--output", choices=("json", "yaml"), default="")


def is_check(what: list[str]) -> bool:
    """A rule may be called ``check``: with a file behind it the command is meant."""
    return len(what) > 1 and what[0] == CHECK


def show(path: str, args: argparse.Namespace) -> int:
    """Raises EdgeCoreError."""
    if len(args.what) > 1:
        raise EdgeCoreError("rules: expected one NAME, or check and files")
    name = args.what[0] if args.what else ""
    try:
        found = client.ask(path, {"verb": "rules", "name": name})
    except EdgeCoreError as exc:
        if name == CHECK:
            raise EdgeCoreError(f"{exc}. To check a file: edgecore rules check FILE") from exc
        raise
    if args.output:
        print(_text_of(found, args.output))
    elif name:
        print("\n\n".join(ruletables.described(rule, now=time.time()) for rule in found))
    elif found:
        print(ruletables.listing(found, now=time.time()))
    else:
        print("No rules on this node.", file=sys.stderr)
    return 0


def check(files: list[str]) -> int:
    """Says what is wrong, as compilers do: file, line, column. 0: nothing is; 1: something is."""
    from edgecore.localapi.rulefile import Examined, Remark, examine

    is_well = True
    for file in files:
        try:
            found = examine(_content(file))
        except OSError as exc:
            found = Examined((), (Remark(0, 0, exc.strerror or str(exc)),))
        for remark in (*found.faults, *found.notes):
            place = f"{file}:{remark.line}:{remark.column}" if remark.line else file
            print(f"{place}: {remark.text}", file=sys.stderr)
        for name in found.rules if not found.faults else ():
            print(f"{file}: rule {name} is well")
        is_well = is_well and not found.faults
    return 0 if is_well else 1


def _content(file: str) -> str:
    if file == "-":
        return sys.stdin.read(_LARGEST_FILE)
    with Path(file).open(encoding="utf-8", errors="replace") as stream:
        return stream.read(_LARGEST_FILE)


def _text_of(value: Any, output: str) -> str:
    if output == "yaml":
        import yaml

        return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True)).rstrip()
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)
