"""The ``device``, ``device_attr`` and ``device_twin`` tables (contract 6.7). DeviceTwin opens them; EdgeHub's inventory only reads.

Text columns are never NULL: absent is the empty string, as at KubeEdge.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from edgecore.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """``uid`` and ``version`` are those of the Device object in the cloud, empty where it never told them. ``faults``: what its mapper says
    is wrong (``viaduct.faults.kept``)."""

    id: str
    name: str = ""
    description: str = ""
    state: str = ""
    last_online: str = ""
    uid: str = ""
    version: str = ""
    faults: str = ""


@dataclass(frozen=True, slots=True)
class AttrRow:
    deviceid: str
    name: str
    description: str = ""
    value: str = ""
    optional: int = 0
    attr_type: str = ""
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class TwinRow:
    """``expected_meta``/``actual_meta`` are ``{"timestamp":ms}``, the versions ``{"cloud":n,"edge":m}``, all as JSON text."""

    deviceid: str
    name: str
    description: str = ""
    expected: str = ""
    actual: str = ""
    expected_meta: str = ""
    actual_meta: str = ""
    expected_version: str = ""
    actual_version: str = ""
    optional: int = 0
    attr_type: str = ""
    metadata: str = ""


_DEVICE = ("id", "name", "description", "state", "last_online", "uid", "version", "faults")
_ATTR = ("deviceid", "name", "description", "value", "optional", "attr_type", "metadata")
_TWIN = (
    "deviceid",
    "name",
    "description",
    "expected",
    "actual",
    "expected_meta",
    "actual_meta",
    "expected_version",
    "actual_version",
    "optional",
    "attr_type",
    "metadata",
)


def _upsert(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


_SAVE_DEVICE = _upsert("device", _DEVICE, ("id",))
_SAVE_ATTR = _upsert("device_attr", _ATTR, ("deviceid", "name"))
_SAVE_TWIN = _upsert("device_twin", _TWIN, ("deviceid", "name"))


def load_all(tx: Transaction) -> tuple[list[DeviceRow], list[AttrRow], list[TwinRow]]:
    return (
        [DeviceRow(*row) for row in tx.execute(f"SELECT {', '.join(_DEVICE)} FROM device ORDER BY id").fetchall()],
        [AttrRow(*row) for row in tx.execute(f"SELECT {', '.join(_ATTR)} FROM device_attr ORDER BY id").fetchall()],
        [TwinRow(*row) for row in tx.execute(f"SELECT {', '.join(_TWIN)} FROM device_twin ORDER BY id").fetchall()],
    )


def load_device(tx: Transaction, device: str) -> tuple[DeviceRow | None, list[AttrRow], list[TwinRow]]:
    """One device afresh, after a failed write."""
    found = tx.execute(f"SELECT {', '.join(_DEVICE)} FROM device WHERE id = ?", (device,)).fetchone()
    attrs = tx.execute(f"SELECT {', '.join(_ATTR)} FROM device_attr WHERE deviceid = ? ORDER BY id", (device,)).fetchall()
    twins = tx.execute(f"SELECT {', '.join(_TWIN)} FROM device_twin WHERE deviceid = ? ORDER BY id", (device,)).fetchall()
    return DeviceRow(*found) if found else None, [AttrRow(*row) for row in attrs], [TwinRow(*row) for row in twins]


def save_device(tx: Transaction, row: DeviceRow) -> None:
    tx.keep_last(_SAVE_DEVICE, row.id, astuple(row))


def save_attr(tx: Transaction, row: AttrRow) -> None:
    tx.keep_last(_SAVE_ATTR, (row.deviceid, row.name), astuple(row))


def save_twin(tx: Transaction, row: TwinRow) -> None:
    save_twin_values(
        tx,
        (
            row.deviceid,
            row.name,
            row.description,
            row.expected,
            row.actual,
            row.expected_meta,
            row.actual_meta,
            row.expected_version,
            row.actual_version,
            row.optional,
            row.attr_type,
            row.metadata,
        ),
    )


def save_twin_values(tx: Transaction, values: tuple[str | int, ...]) -> None:
    """The hot path: the fields of a TwinRow in order."""
    tx.keep_last(_SAVE_TWIN, values[:2], values)


def delete_attr(tx: Transaction, device: str, name: str) -> None:
    tx.execute("DELETE FROM device_attr WHERE deviceid = ? AND name = ?", (device, name))


def delete_twin(tx: Transaction, device: str, name: str) -> None:
    tx.execute("DELETE FROM device_twin WHERE deviceid = ? AND name = ?", (device, name))


def delete_device(tx: Transaction, device: str) -> None:
    """The device, its attributes and its twins."""
    tx.execute("DELETE FROM device_twin WHERE deviceid = ?", (device,))
    tx.execute("DELETE FROM device_attr WHERE deviceid = ?", (device,))
    tx.execute("DELETE FROM device WHERE id = ?", (device,))


def held(tx: Transaction) -> list[tuple[str, str, str]]:
    """(id, uid, version) of every device: what the inventory states."""
    rows: list[tuple[str, str, str]] = tx.execute("SELECT id, uid, version FROM device ORDER BY id").fetchall()
    return rows
