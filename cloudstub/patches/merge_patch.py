"""JSON merge patch (RFC 7386): objects merge, null deletes, everything else replaces."""

from __future__ import annotations

import copy
from typing import Any

from cloudstub.errors import BadRequest


def apply(obj: dict[str, Any], patch: Any) -> dict[str, Any]:
    """A fresh object: ``obj`` with ``patch`` merged into it.

    Raises:
        BadRequest: ``patch`` is not an object, or nests too deep.
    """
    if not isinstance(patch, dict):
        raise BadRequest("a merge patch must be an object")
    try:
        return _merged(copy.deepcopy(obj), patch)
    except RecursionError as exc:
        raise BadRequest("the merge patch nests too deep") from exc


def _merged(target: Any, patch: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = target if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = _merged(result.get(name), value)
        else:
            result[name] = copy.deepcopy(value)
    return result
