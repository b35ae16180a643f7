"""What may be a name, a label or a port: the grammars of Kubernetes."""

from __future__ import annotations

import re
from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds.faults import forbidden, invalid, required, wrong_type
from cloudstub.kinds.kind import Object

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_PATH_SEGMENT = re.compile(r"[^/%]+")

LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
DNS_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)
_LABEL_NAMED = {"namespaces"}
_DNS_1035_NAMED = {"services"}
# RBAC names may hold colons: `system:node`.
_PATH_NAMED_GROUP = ".rbac.authorization.k8s.io"


def label_fault(text: str) -> str:
    """What is wrong with a DNS-1123 label; empty if nothing."""
    return _fault(text, _LABEL, LABEL_RULE, 63)


def _fault(text: str, pattern: re.Pattern[str], rule: str, limit: int) -> str:
    if len(text) > limit:
        return f"must be no more than {limit} characters"
    return "" if pattern.fullmatch(text) else rule


def name_fault(resource: str, name: str) -> str:
    """What is wrong with an object's name; empty if nothing."""
    if resource in _LABEL_NAMED:
        return label_fault(name)
    if resource in _DNS_1035_NAMED:
        return _fault(name, _DNS_1035, DNS_1035_RULE, 63)
    if resource.endswith(_PATH_NAMED_GROUP):
        fits = _PATH_SEGMENT.fullmatch(name) and name not in (".", "..")
        return "" if fits else "may not be '.' or '..' or contain '/' or '%'"
    return _fault(name, _SUBDOMAIN, SUBDOMAIN_RULE, 253)


def qualified_fault(key: str) -> str:
    """What is wrong with a label or annotation key; empty if nothing."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix)):
        return f"prefix part {SUBDOMAIN_RULE}"
    if not name or len(name) > 63 or not _QUALIFIED.fullmatch(name):
        return (
            "name part must consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character, and be no more than 63 characters"
        )
    return ""


def label_value_fault(value: str) -> str:
    if not value:
        return ""
    if len(value) > 63:
        return "must be no more than 63 characters"
    return (
        ""
        if _QUALIFIED.fullmatch(value)
        else (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character"
        )
    )


def config_key_fault(key: str) -> str:
    if len(key) > 253 or key in (".", "..") or not _CONFIG_KEY.fullmatch(key):
        return "a valid config key must consist of alphanumeric characters, '-', '_' or '.', and be no more than 253 characters"
    return ""


def string_map(value: Any, path: str) -> list[FieldError]:
    """Faults of something that should map strings to strings."""
    if value is None:
        return []
    if not isinstance(value, dict):
        return [wrong_type(path, value, "an object of strings")]
    return [wrong_type(f"{path}.{key}", item, "a string") for key, item in value.items() if not isinstance(item, str)]


def labels(value: Any, path: str) -> list[FieldError]:
    errors = string_map(value, path)
    if errors or not value:
        return errors
    errors += [invalid(path, key, fault) for key in value if (fault := qualified_fault(key))]
    return errors + [invalid(path, item, fault) for item in value.values() if (fault := label_value_fault(item))]


ANNOTATION_LIMIT = 256 * 1024


def metadata_errors(resource: str, metadata: Object) -> list[FieldError]:
    """Faults in an object's metadata, whatever its kind."""
    errors = labels(metadata.get("labels"), "metadata.labels")
    annotations = metadata.get("annotations")
    faults = string_map(annotations, "metadata.annotations")
    if not faults and annotations:
        faults = [invalid("metadata.annotations", k, fault) for k in annotations if (fault := qualified_fault(k.lower()))]
        size = sum(len(k) + len(v) for k, v in annotations.items())
        if size > ANNOTATION_LIMIT:
            faults.append(
                FieldError("metadata.annotations", f"Too long: may not be more than {ANNOTATION_LIMIT} bytes", "FieldValueTooLong")
            )
    errors += faults
    errors += _finalizer_errors(metadata.get("finalizers"))
    errors += _owner_errors(metadata.get("ownerReferences"))
    name = metadata.get("name")
    if isinstance(name, str) and (fault := name_fault(resource, name)):
        errors.append(invalid("metadata.name", name, fault))
    return errors


def _finalizer_errors(finalizers: Any) -> list[FieldError]:
    if finalizers is None:
        return []
    if not isinstance(finalizers, list) or not all(isinstance(f, str) for f in finalizers):
        return [wrong_type("metadata.finalizers", finalizers, "a list of strings")]
    return [invalid("metadata.finalizers", f, fault) for f in finalizers if (fault := qualified_fault(f))]


def _owner_errors(owners: Any) -> list[FieldError]:
    if owners is None:
        return []
    if not isinstance(owners, list) or not all(isinstance(owner, dict) for owner in owners):
        return [wrong_type("metadata.ownerReferences", owners, "a list of objects")]
    errors = [
        required(f"metadata.ownerReferences[{i}].{field}")
        for i, owner in enumerate(owners)
        for field in ("apiVersion", "kind", "name", "uid")
        if not isinstance(owner.get(field), str) or not owner[field]
    ]
    if sum(1 for owner in owners if owner.get("controller") is True) > 1:
        errors.append(forbidden("metadata.ownerReferences", "only one reference can have controller set to true"))
    return errors
