"""Strategic merge patch, as ``kubectl apply`` and ``kubectl edit`` send it for built-in kinds.

Objects merge and null deletes, as in a merge patch; lists that have a merge key (``merge_keys``) merge entry by entry. Directives:
``$patch: replace|delete|merge``, ``$retainKeys``, ``$deleteFromPrimitiveList/<list>``, ``$setElementOrder/<list>``.
"""

from __future__ import annotations

import copy
from typing import Any

from cloudstub.errors import BadRequest
from cloudstub.patches import merge_lists
from cloudstub.patches.merge_keys import Rule, Rules, rules_of

_ATOMIC = Rule()
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def apply(obj: dict[str, Any], patch: Any, kind: str) -> dict[str, Any]:
    """A fresh object: ``obj`` (of the built-in ``kind``, such as ``Pod``) with ``patch`` merged into it.

    Raises:
        BadRequest: ``patch`` is no strategic merge patch; the message names the field.
    """
    if not isinstance(patch, dict):
        raise BadRequest("a strategic merge patch must be an object")
    try:
        return _merged(copy.deepcopy(obj), copy.deepcopy(patch), rules_of(kind), "")
    except RecursionError as exc:
        raise BadRequest("the strategic merge patch nests too deep") from exc


def _merged(target: dict[str, Any], patch: dict[str, Any], rules: Rules, path: str) -> dict[str, Any]:
    directive = patch.pop("$patch", "merge")
    if directive == "delete":
        return {}
    if directive == "replace":
        target = {}
    elif directive != "merge":
        raise BadRequest(f"{_at(path, '$patch')}: unknown directive {str(directive)[:64]!r}: use replace, delete or merge")
    _retain(target, patch, path)
    lists = {name: patch.pop(name) for name in list(patch) if name.startswith((_DELETE_FROM, _ORDER))}
    before = {_field(name): list(_list_or_empty(target.get(_field(name)))) for name in lists}
    for name, values in lists.items():
        if name.startswith(_DELETE_FROM):
            _delete_values(target, _field(name), _listed(values, name, path), path)
    for name, value in patch.items():
        if name.startswith("$"):
            raise BadRequest(f"{_at(path, name)}: unknown directive")
        _merge_field(target, name, value, rules.get(name, _ATOMIC), _at(path, name))
    for name, order in lists.items():
        if name.startswith(_ORDER) and isinstance(target.get(_field(name)), list):
            rule = rules.get(_field(name), _ATOMIC)
            target[_field(name)] = merge_lists.ordered(target[_field(name)], _listed(order, name, path), before[_field(name)], rule)
    return target


def _merge_field(target: dict[str, Any], name: str, value: Any, rule: Rule, path: str) -> None:
    if value is None:
        target.pop(name, None)
    elif isinstance(value, dict):
        found = target.get(name)
        is_delete = value.get("$patch") == "delete"
        target[name] = _merged(found if isinstance(found, dict) else {}, value, rule.below, path)
        if is_delete:
            target.pop(name)
    elif isinstance(value, list):
        target[name] = _merged_list(_list_or_empty(target.get(name)), value, rule, path)
    else:
        target[name] = value


def _merged_list(target: list[Any], patch: list[Any], rule: Rule, path: str) -> list[Any]:
    if rule.is_set:
        return merge_lists.united(target, patch)
    if rule.merge_key is None:
        return _without_directives(patch, path)
    for index, entry in enumerate(patch):
        if not isinstance(entry, dict):
            raise BadRequest(f"{path}[{index}]: must be an object with the merge key {rule.merge_key!r}")
    if any(entry.get("$patch") == "replace" for entry in patch):
        target, patch = [], [entry for entry in patch if entry.get("$patch") != "replace"]
    entries = merge_lists.Entries(target, rule, path)
    for index, entry in enumerate(patch):
        where = f"{path}[{index}]"
        if entry.get("$patch") == "delete":
            entries.remove(entry, where)
        else:
            entries.put(entry, _merged(entries.find(entry, where) or {}, entry, rule.below, where))
    return entries.listed()


def _without_directives(patch: list[Any], path: str) -> list[Any]:
    return [_merged({}, one, {}, f"{path}[{i}]") if isinstance(one, dict) else one for i, one in enumerate(patch)]


def _retain(target: dict[str, Any], patch: dict[str, Any], path: str) -> None:
    if "$retainKeys" not in patch:
        return
    kept = {name for name in _listed(patch.pop("$retainKeys"), "$retainKeys", path) if isinstance(name, str)}
    for name, value in patch.items():
        if value is not None and not name.startswith("$") and name not in kept:
            raise BadRequest(f"{_at(path, name)}: is patched but not listed in $retainKeys")
    for name in [name for name in target if name not in kept]:
        del target[name]


def _delete_values(target: dict[str, Any], name: str, values: list[Any], path: str) -> None:
    found = target.get(name)
    if isinstance(found, list):
        target[name] = merge_lists.without(found, values)
    elif found is not None:
        raise BadRequest(f"{_at(path, name)}: is not a list")


def _listed(value: Any, name: str, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest(f"{_at(path, name)}: must be a list")
    return value


def _list_or_empty(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _field(directive: str) -> str:
    return directive.partition("/")[2]


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
