"""From what a client sent to what is stored: identity, defaults, pruning, validation. The same road for every write."""

from __future__ import annotations

from typing import Any

from cloudstub.errors import BadRequest, FieldError, Invalid
from cloudstub.kinds import defaults, names, schema, shapes, validation
from cloudstub.kinds.custom import DEFINITIONS, with_status
from cloudstub.kinds.kind import Kind
from cloudstub.store.records import Object
from cloudstub.verbs.unknown_fields import unknown_fields
from cloudstub.verbs.world import Target, World, WriteOptions

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def claimed(obj: Any, target: Target) -> Object:
    """The object, if it says to be what the path is about; a shallow copy with metadata of its own.

    Raises:
        BadRequest: another apiVersion, kind, namespace or name than the path's, or not an object at all.
    """
    if not isinstance(obj, dict):
        raise BadRequest(f"the body must be a JSON object, not {type(obj).__name__}")
    metadata = obj.get("metadata")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        raise BadRequest("metadata: must be an object")
    for field in ("name", "namespace", "generateName", "uid", "resourceVersion"):
        if metadata.get(field) is not None and not isinstance(metadata[field], str):
            raise BadRequest(f"metadata.{field}: must be a string, not {metadata[field]!r:.60}")
    for field, wanted in (("apiVersion", target.api_version), ("kind", target.kind.kind)):
        if obj.get(field, wanted) != wanted:
            raise BadRequest(f"{field} in the data ({obj[field]!r:.80}) does not match the expected one ({wanted})")
    namespace = target.namespace or ""
    if metadata.get("namespace") and metadata["namespace"] != namespace:
        raise BadRequest(f"the namespace of the provided object does not match the namespace sent on the request ({namespace})")
    if target.name and metadata.get("name", target.name) != target.name:
        raise BadRequest(f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})")
    identity = {"namespace": namespace} if target.kind.namespaced else {}
    kept = {k: v for k, v in metadata.items() if v is not None and k != "namespace"}
    return {**obj, "apiVersion": target.api_version, "kind": target.kind.kind, "metadata": {**kept, **identity}}


def finished(world: World, target: Target, obj: Object, old: Object | None, options: WriteOptions) -> tuple[Object, list[str]]:
    """Defaults, pruning and validation; the result in storage version, and warnings.

    Raises:
        Invalid: the object has faults; all of them are named.
        BadRequest: unknown fields under strict field validation.
    """
    kind = target.kind
    if kind.custom:
        return _finished_custom(target, obj, options)
    if kind.resource != DEFINITIONS:
        # A null is a field that was left out. In a definition it may be a default.
        obj = {part: _without_nulls(value) for part, value in obj.items() if value is not None}
    # Defaults may only rely on shapes that hold.
    faults = shapes.shape_errors(kind.resource, obj)
    if not faults:
        defaults.fill(kind.resource, obj)
        faults = validation.errors(kind.resource, obj, old)
    refuse(kind, obj, faults)
    if kind.resource == DEFINITIONS:
        obj = with_status(obj, world.now())
    unknown = unknown_fields(kind.resource, obj)
    return obj, _unknown(unknown, options)


def _finished_custom(target: Target, obj: Object, options: WriteOptions) -> tuple[Object, list[str]]:
    kind = target.kind
    declared = dict(kind.versions[target.version].schema or {})
    faults = names.metadata_errors(kind.resource, obj["metadata"])
    refuse(kind, obj, faults)
    pruned = schema.prune(declared, obj)
    unknown = sorted(_missing(obj, pruned, ""))
    warnings = _unknown(unknown, options)
    value = schema.default(declared, pruned)
    refuse(kind, value, schema.validate(declared, value))
    value["apiVersion"] = kind.api_version(kind.storage)
    return value, warnings


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _missing(before: Any, after: Any, path: str) -> list[str]:
    """The paths that pruning took away."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            gone
            for key, value in before.items()
            for gone in ([f"{path}{key}"] if key not in after else _missing(value, after[key], f"{path}{key}."))
        ]
    if isinstance(before, list) and isinstance(after, list):
        base = path.removesuffix(".")
        return [gone for i, (b, a) in enumerate(zip(before, after, strict=False)) for gone in _missing(b, a, f"{base}[{i}].")]
    return []


def _unknown(paths: list[str], options: WriteOptions) -> list[str]:
    if not paths or options.strictness == "Ignore":
        return []
    texts = [f'unknown field "{path}"' for path in paths[:20]]
    if options.strictness == "Strict":
        raise BadRequest(f"strict decoding error: {', '.join(texts)}")
    return texts


def refuse(kind: Kind, obj: Object, faults: list[FieldError]) -> None:
    """Raise Invalid if there are faults, in Kubernetes' words."""
    if not faults:
        return
    texts = [f"{fault.path}: {fault.message}" for fault in faults]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    group = f".{kind.group}" if kind.group else ""
    name = obj["metadata"].get("name") or obj["metadata"].get("generateName") or ""
    message = f'{kind.kind}{group} "{name}" is invalid: {listed}'
    details = {"name": name, "group": kind.group, "kind": kind.kind}
    raise Invalid(message, fields=faults, details=details)
