"""The columns of claims, volumes and storage classes."""

from __future__ import annotations

from datetime import datetime

from cloudstub.kinds.cells import AGE, NAME, at, get, name_cell
from cloudstub.kinds.kind import Column, Object

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _access_modes(part: str) -> Column:
    def cell(obj: Object, now: datetime) -> str:
        return ",".join(_MODES.get(mode, str(mode)) for mode in get(obj, part, "accessModes", default=()))

    return Column("Access Modes", cell)


def _volume_claim(obj: Object, now: datetime) -> str:
    holder = get(obj, "spec", "claimRef", default={})
    return f"{holder.get('namespace', '')}/{holder.get('name', '')}" if holder.get("name") else ""


def _class_name(obj: Object, now: datetime) -> str:
    is_default = get(obj, "metadata", "annotations", "storageclass.kubernetes.io/is-default-class") == "true"
    return f"{name_cell(obj, now)} (default)" if is_default else name_cell(obj, now)


VOLUME = (
    NAME,
    Column("Capacity", at("spec", "capacity", "storage", default="")),
    _access_modes("spec"),
    Column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy", default="")),
    Column("Status", at("status", "phase", default="")),
    Column("Claim", _volume_claim),
    Column("StorageClass", at("spec", "storageClassName", default="")),
    AGE,
    Column("VolumeMode", at("spec", "volumeMode", default=""), priority=1),
)
CLAIM = (
    NAME,
    Column("Status", lambda o, now: "Terminating" if get(o, "metadata", "deletionTimestamp") else get(o, "status", "phase", default="")),
    Column("Volume", at("spec", "volumeName", default="")),
    Column("Capacity", at("status", "capacity", "storage", default="")),
    _access_modes("status"),
    Column("StorageClass", at("spec", "storageClassName", default="")),
    AGE,
    Column("VolumeMode", at("spec", "volumeMode", default=""), priority=1),
)
STORAGE_CLASS = (
    Column("Name", _class_name, format="name"),
    Column("Provisioner", at("provisioner", default="")),
    Column("ReclaimPolicy", at("reclaimPolicy", default="")),
    Column("VolumeBindingMode", at("volumeBindingMode", default="")),
    Column("AllowVolumeExpansion", at("allowVolumeExpansion", default=False)),
    AGE,
)
