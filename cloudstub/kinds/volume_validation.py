"""What claims, volumes and storage classes refuse, with field paths."""

from __future__ import annotations

from cloudstub.errors import FieldError
from cloudstub.kinds.faults import immutable, required, unsupported
from cloudstub.kinds.kind import Object

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def claim_errors(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    modes = spec.get("accessModes") or []
    found = [] if modes else [required("spec.accessModes")]
    found += [unsupported(f"spec.accessModes[{i}]", mode, ACCESS_MODES) for i, mode in enumerate(modes) if mode not in ACCESS_MODES]
    if not ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        found.append(required("spec.resources.requests.storage"))
    found += immutable(obj, old, "spec", "accessModes")
    for field in ("storageClassName", "volumeName"):  # what is not said yet may be said once
        if ((old or {}).get("spec") or {}).get(field):
            found += immutable(obj, old, "spec", field)
    return found


def volume_errors(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    found = [] if (spec.get("capacity") or {}).get("storage") else [required("spec.capacity.storage")]
    modes = spec.get("accessModes") or []
    found += [] if modes else [required("spec.accessModes")]
    return found + [unsupported(f"spec.accessModes[{i}]", mode, ACCESS_MODES) for i, mode in enumerate(modes) if mode not in ACCESS_MODES]


def class_errors(obj: Object, old: Object | None) -> list[FieldError]:
    found = []
    if not isinstance(obj.get("provisioner"), str) or not obj["provisioner"]:
        found.append(required("provisioner"))
    for field, values in (("reclaimPolicy", ("Delete", "Retain")), ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer"))):
        if obj.get(field) not in values:
            found.append(unsupported(field, obj.get(field), values))
        found += immutable(obj, old, field)
    return found + immutable(obj, old, "provisioner")
