"""``bramble-mapper PROTOCOL --profile FILE --broker tcp://127.0.0.1:1883``, or with ``--simulate`` in the place of devices."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from mappers.sdk import app, registry
from mappers.sdk.config import NODE, SETTINGS, Settings, settle
from mappers.sdk.driver import Simulation
from mappers.sdk.errors import MapperError, SettingError
from mappers.sdk.manifests import manifests
from supervision import logs

_MAX_FILE_BYTES = 64 * 1024
_MAX_DEPTH = 8


_UNFIT = (ValueError, TypeError, OverflowError, LookupError, AttributeError)
"""What PyYAML raises where a tag (``!!bool x``) does not fit its value."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when told to end, 1 when it cannot run, 2 for wrong flags and settings."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.manifests is not None:
        return _print_manifests(parser, given)
    try:
        file = _yaml(given.settings) if given.settings else None
        settings = _with_password(settle(vars(given), os.environ, file))
        devices = registry.simulation_of(given.protocol) if given.simulate else _real(given.protocol)
    except MapperError as exc:
        parser.error(str(exc))
    logs.set_up(settings.log_level, "mappers")
    try:
        with devices as simulation, TemporaryDirectory(prefix="bramble-mapper-") as folder:
            if given.simulate and simulation.profile:
                if given.profile is not None:
                    raise SettingError("--simulate", "brings its own devices; leave --profile out")
                settings = replace(settings, profile=str(_written(folder, simulation.profile)))
            app.run(given.protocol, simulation.family, settings)
    except SettingError as exc:
        parser.error(str(exc))
    except MapperError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _print_manifests(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    try:
        if not given.simulate:
            raise SettingError("--manifests", "goes with --simulate: it prints the devices that are made up")
        with registry.simulation_of(given.protocol) as simulation:
            if not simulation.profile:
                raise SettingError("--manifests", f"{given.protocol} makes up whatever devices EdgeCore tells it, or --profile has")
            print(yaml.safe_dump_all(manifests(simulation.profile, given.manifests), sort_keys=False, allow_unicode=True), end="")
    except MapperError as exc:
        parser.error(str(exc))
    return 0


def _real(protocol: str) -> AbstractContextManager[Simulation]:
    """Devices that are there, with the profile of the settings. Raises MapperError."""
    return nullcontext(Simulation(registry.family_of(protocol), b""))


def _node(text: str) -> str:
    if not NODE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected the name of a node, got {text[:80]!r}")
    return text


def _written(folder: str, profile: bytes) -> Path:
    path = Path(folder) / "deviceProfile.json"
    path.write_bytes(profile)
    return path


def _yaml(name: str) -> Any:
    text = _contents(name, "--settings")
    try:
        _require_plain(name, text)
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, *_UNFIT) as exc:
        raise SettingError("--settings", f"{name} is not YAML: {str(exc).splitlines()[0] if str(exc) else exc!r}") from exc


def _require_plain(name: str, text: str) -> None:
    """Before anything is built: a few lines of aliases stand for gigabytes, and depth takes time by its square."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise SettingError("--settings", f"{name}: YAML aliases (*name) are not read in settings")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise SettingError("--settings", f"{name} is nested deeper than {_MAX_DEPTH} levels")


def _with_password(settings: Settings) -> Settings:
    if not settings.password_file:
        return settings
    lines = _contents(settings.password_file, "--password-file").splitlines()
    return replace(settings, password=lines[0] if lines else "")


def _contents(name: str, key: str) -> str:
    try:
        with Path(name).open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise SettingError(key, f"{name} is larger than {_MAX_FILE_BYTES} bytes")
        return data.decode("utf-8")
    except OSError as exc:
        raise SettingError(key, f"{name} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise SettingError(key, f"{name} is not UTF-8 at byte {exc.start}") from exc


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bramble-mapper", description="Joins devices of one protocol to their twins in EdgeCore.", allow_abbrev=False
    )
    parser.add_argument("protocol", metavar="PROTOCOL", help=f"installed: {', '.join(registry.protocols()) or 'none'}")
    parser.add_argument("--settings", metavar="FILE", help="YAML file with any of the settings below")
    parser.add_argument("--simulate", action="store_true", help="run on devices that are made up")
    parser.add_argument(
        "--manifests",
        metavar="NODE",
        type=_node,
        help="with --simulate: print its devices, as of this node, for kubectl apply -f -, and end",
    )
    for setting in SETTINGS:
        default = f" (default {setting.default})" if setting.default not in ("", 0.0) else ""
        variable = f"; also {setting.variable}" if setting.variable else ""
        parser.add_argument(setting.flag, metavar=setting.metavar, help=f"{setting.help}{default}{variable}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
