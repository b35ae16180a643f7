"""``bramble-mapper PROTOCOL --profile FILE --broker tcp://127.0.0.1:1883``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from mappers.sdk import app, logs, registry
from mappers.sdk.config import SETTINGS, Settings, settle
from mappers.sdk.errors import MapperError, SettingError

_MAX_FILE_BYTES = 64 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when told to end, 1 when it cannot run, 2 for wrong flags and settings."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        file = _yaml(given.settings) if given.settings else None
        settings = _with_password(settle(vars(given), os.environ, file))
        family = registry.family_of(given.protocol)
    except MapperError as exc:
        parser.error(str(exc))
    logs.set_up(settings.log_level)
    try:
        app.run(given.protocol, family, settings)
    except MapperError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _yaml(name: str) -> Any:
    text = _contents(name, "--settings")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as exc:
        raise SettingError("--settings", f"{name} is not YAML: {str(exc).splitlines()[0] if str(exc) else exc!r}") from exc


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
    for setting in SETTINGS:
        default = f" (default {setting.default})" if setting.default not in ("", 0.0) else ""
        variable = f"; also {setting.variable}" if setting.variable else ""
        parser.add_argument(setting.flag, metavar=setting.metavar, help=f"{setting.help}{default}{variable}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
