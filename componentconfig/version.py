"""apiVersion and kind: which of the known forms a mapping has, and its conversion to the current one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from componentconfig.errors import ConfigError
from componentconfig.suggestion import shown

_TYPE_META = "typemeta"


def current(mapping: Mapping[Any, Any], root: type[Any]) -> tuple[dict[Any, Any], list[str]]:
    """The mapping in the current version of ``root``, without apiVersion and kind; and a warning where it was converted.

    The block ``typemeta:`` that keadm 1.2 writes counts as apiVersion and kind. What is missing is taken for current.

    Raises:
        ConfigError: another kind, or a version that is neither current nor in the register of converters.
    """
    body = {key: value for key, value in mapping.items() if not (isinstance(key, str) and key.lower() == _TYPE_META)}
    meta = next((value for key, value in mapping.items() if isinstance(key, str) and key.lower() == _TYPE_META), None)
    if meta is not None and not isinstance(meta, Mapping):
        raise ConfigError(f"{_TYPE_META}: expected a section with apiVersion and kind, got {shown(meta)}")
    named = {**_pop_meta(dict(meta or {}), root, f"{_TYPE_META}."), **_pop_meta(body, root, "")}
    _check_kind(named.get("kind"), root)
    return _convert(body, named.get("apiversion") or root.API_VERSION, root)


def _pop_meta(body: dict[Any, Any], root: type[Any], prefix: str) -> dict[str, str]:
    """Take apiVersion and kind out of ``body``; in a typemeta block nothing else may stand."""
    named: dict[str, str] = {}
    for key in [key for key in body if isinstance(key, str) and key.lower() in ("apiversion", "kind")]:
        value = body.pop(key)
        if key.lower() in named:
            raise ConfigError(f"{prefix}{key}: given twice")
        if value is not None and not isinstance(value, str):
            expected = root.API_VERSION if key.lower() == "apiversion" else root.KIND
            raise ConfigError(f"{prefix}{key}: expected {expected}, got {shown(value)}")
        if value:
            named[key.lower()] = value
    if prefix and body:
        raise ConfigError(*(f"{prefix}{key}: unknown key" for key in body))
    return named


def _check_kind(kind: str | None, root: type[Any]) -> None:
    if kind is not None and kind.lower() != root.KIND.lower():
        raise ConfigError(f"kind: expected {root.KIND}, got {shown(kind)}; is this the file of another program?")


def _convert(body: dict[Any, Any], version: str, root: type[Any]) -> tuple[dict[Any, Any], list[str]]:
    if version == root.API_VERSION:
        return body, []
    converters = getattr(root, "CONVERTERS", {})
    if version not in converters:
        reason = getattr(root, "REFUSED", {}).get(version, "")
        raise ConfigError(f"apiVersion: expected {root.API_VERSION}, got {shown(version)}{'; ' + reason if reason else ''}")
    first = version
    while version != root.API_VERSION:
        version, convert = converters[version]
        body = convert(body)
    return body, [f"config read as {first} and converted to {root.API_VERSION}; write the file anew with --defaultconfig as a guide"]
