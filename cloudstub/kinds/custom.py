"""Custom kinds: from a CustomResourceDefinition to a Kind, and what is wrong with a definition."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds import jsonpath
from cloudstub.kinds.ages import age
from cloudstub.kinds.catalog import version_rank
from cloudstub.kinds.cells import AGE, NAME, PLAIN
from cloudstub.kinds.conversion import conversion_errors, converter_of
from cloudstub.kinds.kind import Column, Kind, Object, Version
from cloudstub.kinds.schema import structural_errors

DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
COLUMN_TYPES = ("string", "integer", "number", "boolean", "date")


def kind_of(definition: Object) -> Kind:
    """The kind that a valid definition declares."""
    spec = definition["spec"]
    names = spec["names"]
    versions = {v["name"]: _version(v) for v in spec["versions"] if v.get("served")}
    return Kind(
        group=spec["group"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        versions=versions,
        storage=next(v["name"] for v in spec["versions"] if v.get("storage")),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=("status",) if any(v.has_status for v in versions.values()) else (),
        counts_generations=True,
        custom=True,
        list_kind=names.get("listKind", ""),
        preferred=tuple(sorted(versions, key=version_rank, reverse=True)),
        converter=converter_of(spec),
    )


def _version(declared: Object) -> Version:
    schema = (declared.get("schema") or {}).get("openAPIV3Schema")
    columns = declared.get("additionalPrinterColumns")
    return Version(
        declared["name"],
        (NAME, *map(_column, columns)) if columns else PLAIN,
        schema,
        has_status="status" in (declared.get("subresources") or {}),
    )


def _column(declared: Object) -> Column:
    if declared["jsonPath"] == ".metadata.creationTimestamp" and declared["type"] == "date":
        return Column(declared["name"], AGE.cell, "string", priority=declared.get("priority", 0))
    steps = jsonpath.parse(declared["jsonPath"])
    type_ = declared["type"]

    def cell(obj: Object, now: datetime) -> Any:
        found = jsonpath.find(steps, obj)
        return _shown(found[0], type_, now) if found else None

    shown_as = "string" if type_ == "date" else type_
    description = declared.get("description", "")
    return Column(declared["name"], cell, shown_as, declared.get("format", ""), description, declared.get("priority", 0))


def _shown(value: Any, type_: str, now: datetime) -> Any:
    if type_ == "date":
        return age(value, now)
    if type_ == "integer" and isinstance(value, int | float):
        return int(value)
    if type_ in ("number", "boolean") or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def with_status(definition: Object, now: str) -> Object:
    """The definition with defaults, and with the conditions that say it is served: it is, from its commit on."""
    spec = definition["spec"]
    names = {"singular": spec["names"]["kind"].lower(), "listKind": f"{spec['names']['kind']}List", **spec["names"]}
    earlier = (definition.get("status") or {}).get("conditions") or []
    since = {c.get("type"): c.get("lastTransitionTime", now) for c in earlier}
    kept = [c for c in earlier if c.get("type") not in ("NamesAccepted", "Established")]
    conditions = [
        {
            "type": type_,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": since.get(type_, now),
        }
        for type_, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    stored = (definition.get("status") or {}).get("storedVersions") or []
    storage = [v["name"] for v in spec["versions"] if v.get("storage")]
    return {
        **definition,
        "spec": {**spec, "names": names, "conversion": spec.get("conversion") or {"strategy": "None"}},
        "status": {
            "conditions": [*kept, *conditions],
            "acceptedNames": names,
            "storedVersions": [*stored, *(v for v in storage if v not in stored)],
        },
    }


def definition_errors(definition: Object) -> list[FieldError]:
    """What is wrong with a definition, with field paths."""
    spec = definition.get("spec")
    if not isinstance(spec, dict):
        return [_required("spec")]
    names = spec.get("names") if isinstance(spec.get("names"), dict) else {}
    assert isinstance(names, dict)
    errors = [_required(f"spec.{f}") for f in ("group", "scope") if not isinstance(spec.get(f), str) or not spec[f]]
    errors += [_required(f"spec.names.{f}") for f in ("plural", "kind") if not isinstance(names.get(f), str) or not names[f]]
    versions = spec.get("versions")
    if not isinstance(versions, list) or not versions or not all(isinstance(v, dict) for v in versions):
        errors.append(_required("spec.versions"))
    if errors:
        return errors
    assert isinstance(versions, list)
    errors += _naming_errors(definition, spec, names)
    for i, version in enumerate(versions):
        errors += _version_errors(version, f"spec.versions[{i}]")
    if sum(1 for v in versions if v.get("storage")) != 1:
        errors.append(_invalid("spec.versions", versions_text(versions), "must have exactly one version marked as storage version"))
    if len({v.get("name") for v in versions}) != len(versions):
        errors.append(_invalid("spec.versions", versions_text(versions), "must contain unique version names"))
    return errors


def versions_text(versions: list[Object]) -> str:
    return ", ".join(str(v.get("name")) for v in versions)


def _naming_errors(definition: Object, spec: Object, names: Object) -> list[FieldError]:
    errors = []
    name = (definition.get("metadata") or {}).get("name")
    if name != f"{names['plural']}.{spec['group']}":
        errors.append(_invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    if spec["scope"] not in ("Namespaced", "Cluster"):
        message = f'Unsupported value: "{spec["scope"]}": supported values: "Cluster", "Namespaced"'
        errors.append(FieldError("spec.scope", message, "FieldValueNotSupported"))
    if "." not in spec["group"]:
        errors.append(_invalid("spec.group", spec["group"], "should be a domain with at least one dot"))
    return errors + conversion_errors(spec.get("conversion"))


def _version_errors(version: Object, path: str) -> list[FieldError]:
    errors = [_required(f"{path}.name")] if not isinstance(version.get("name"), str) or not version["name"] else []
    errors += [_required(f"{path}.{flag}") for flag in ("served", "storage") if not isinstance(version.get(flag), bool)]
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    schema_path = f"{path}.schema.openAPIV3Schema"
    if not isinstance(schema, dict):
        errors.append(_required(schema_path, "schemas are required"))
    else:
        errors += structural_errors(schema, schema_path)
    for i, column in enumerate(version.get("additionalPrinterColumns") or ()):
        errors += _column_errors(column, f"{path}.additionalPrinterColumns[{i}]")
    return errors


def _column_errors(column: Any, path: str) -> list[FieldError]:
    if not isinstance(column, dict):
        return [_invalid(path, column, "must be an object")]
    errors = [_required(f"{path}.{f}") for f in ("name", "type", "jsonPath") if not isinstance(column.get(f), str)]
    if errors:
        return errors
    if column["type"] not in COLUMN_TYPES:
        supported = ", ".join(f'"{t}"' for t in sorted(COLUMN_TYPES))
        message = f'Unsupported value: "{column["type"]}": supported values: {supported}'
        errors.append(FieldError(f"{path}.type", message, "FieldValueNotSupported"))
    try:
        jsonpath.parse(column["jsonPath"])
    except jsonpath.JSONPathError as exc:
        errors.append(_invalid(f"{path}.jsonPath", column["jsonPath"], str(exc)))
    return errors


def _required(path: str, why: str = "") -> FieldError:
    return FieldError(path, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def _invalid(path: str, value: object, why: str) -> FieldError:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return FieldError(path, f"Invalid value: {text}: {why}")
