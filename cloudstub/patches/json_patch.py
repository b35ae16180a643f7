"""JSON patch (RFC 6902): the door to ``jsonpatch``, with the caps that keep a small request from making a large object."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonpatch

from cloudstub.errors import BadRequest, Invalid, TooLarge

MOST_OPERATIONS = 10_000
MOST_COPIED_CHARS = 3 * 1024 * 1024
_NEEDS = {
    "add": ("value",),
    "remove": (),
    "replace": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "test": ("value",),
}


def apply(obj: dict[str, Any], ops: Any) -> Any:
    """A fresh object: ``obj`` after all of ``ops``, in order; one that fails fails the whole patch.

    Raises:
        BadRequest: ``ops`` is not a JSON patch.
        Invalid: an operation does not fit the object, or a ``test`` does not hold.
        TooLarge: too many operations, or copies that multiply the object.
    """
    _check(ops)
    result: Any = copy.deepcopy(obj)
    copied = 0
    for index, op in enumerate(ops):
        if op["op"] == "copy":
            copied += _length_of_copy(result, op)
            if copied > MOST_COPIED_CHARS:
                raise TooLarge(f"the copies of the patch make more than {MOST_COPIED_CHARS} characters")
        result = _applied(result, op, index)
    return result


def _check(ops: Any) -> None:
    if not isinstance(ops, list):
        raise BadRequest("a JSON patch must be a list of operations")
    if len(ops) > MOST_OPERATIONS:
        raise TooLarge(f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(ops)}")
    for index, op in enumerate(ops):
        _check_operation(op, index)


def _check_operation(op: Any, index: int) -> None:
    if not isinstance(op, dict):
        raise BadRequest(f"[{index}]: an operation must be an object")
    name = op.get("op")
    if not isinstance(name, str) or name not in _NEEDS:
        raise BadRequest(f"[{index}].op: Unsupported value: {str(name)[:64]!r}: supported values: {', '.join(_NEEDS)}")
    for field in ("path", *_NEEDS[name]):
        if field not in op:
            raise BadRequest(f"[{index}].{field}: Required value")
        if field != "value" and not _is_pointer(op[field]):
            raise BadRequest(f'[{index}].{field}: must be a JSON pointer: empty, or beginning with "/"')


def _is_pointer(text: Any) -> bool:
    return isinstance(text, str) and (text == "" or text.startswith("/"))


def _length_of_copy(obj: Any, op: dict[str, Any]) -> int:
    try:
        value = jsonpatch.JsonPointer(op["from"]).resolve(obj)
    except (jsonpatch.JsonPointerException, TypeError):
        return 0  # the operation itself will say what is wrong
    return len(json.dumps(value))


def _applied(obj: Any, op: dict[str, Any], index: int) -> Any:
    where = f"[{index}] {op['op']} {op['path']!r}"
    try:
        return jsonpatch.JsonPatch([op]).apply(obj, in_place=True)
    except jsonpatch.JsonPatchTestFailed as exc:
        raise Invalid(f"the patch does not apply: {where}: the test failed") from exc
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as exc:
        raise Invalid(f"the patch does not apply: {where}: {_short(exc)}") from exc
    except (TypeError, KeyError, IndexError, ValueError, AttributeError) as exc:
        raise Invalid(f"the patch does not apply: {where}: there is nothing that could take it") from exc


def _short(exc: Exception) -> str:
    return str(exc)[:200]
