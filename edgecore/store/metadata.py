"""The ``meta`` table: what the cloud gave this node (pods, ConfigMaps, Secrets, answers, tokens), and tombstones of what it took back.

Keys are resource strings, ``<namespace>/<type>/<name>``; values JSON text. Only MetaManager opens it; EdgeHub's inventory,
DeviceTwin (profiles of devices), Rules (DeviceRules) and Upgrade (NodeUpgradeJobs) read.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecore.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class MetaRow:
    """``version`` is the resourceVersion as it came, empty where there was none."""

    key: str
    type: str
    value: str
    uid: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Tombstone:
    key: str
    uid: str
    version: str
    deleted_ms: int


def save(tx: Transaction, row: MetaRow) -> None:
    tx.execute(
        "INSERT INTO meta (key, type, value, uid, version) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
        " type = excluded.type, value = excluded.value, uid = excluded.uid, version = excluded.version",
        (row.key, row.type, row.value, row.uid, row.version),
    )


def delete(tx: Transaction, key: str) -> None:
    tx.execute("DELETE FROM meta WHERE key = ?", (key,))


def delete_tokens(tx: Transaction, pod_uid: str) -> None:
    """The tokens of service accounts that were given to a pod."""
    tx.execute("DELETE FROM meta WHERE type = 'serviceaccounttoken' AND uid = ?", (pod_uid,))


def load(tx: Transaction, key: str) -> MetaRow | None:
    found = tx.execute("SELECT key, type, value, uid, version FROM meta WHERE key = ?", (key,)).fetchone()
    return MetaRow(*found) if found else None


def load_type(tx: Transaction, type_: str) -> list[MetaRow]:
    rows = tx.execute("SELECT key, type, value, uid, version FROM meta WHERE type = ? ORDER BY key", (type_,)).fetchall()
    return [MetaRow(*row) for row in rows]


def load_named(tx: Transaction, type_: str, name: str) -> list[MetaRow]:
    """The object of this type and name in every namespace."""
    tail = f"/{type_}/{name}"
    rows = tx.execute(
        "SELECT key, type, value, uid, version FROM meta WHERE type = ? AND substr(key, -length(?)) = ? ORDER BY key", (type_, tail, tail)
    ).fetchall()
    return [MetaRow(*row) for row in rows]


def load_keys(tx: Transaction) -> list[MetaRow]:
    """Every row that came from the cloud, without its value."""
    return [
        MetaRow(*row)
        for row in tx.execute(
            "SELECT key, type, '', uid, version FROM meta WHERE type NOT IN ('podstatus', 'serviceaccounttoken')"
        ).fetchall()
    ]


def held(tx: Transaction) -> list[tuple[str, str, str]]:
    """(key, uid, version) of every object that came from the cloud with a version: what the inventory states."""
    rows: list[tuple[str, str, str]] = tx.execute("SELECT key, uid, version FROM meta WHERE version != '' ORDER BY key").fetchall()
    return rows


def bury(tx: Transaction, tombstone: Tombstone) -> None:
    """Remember that ``key`` was deleted, so that a late update does not bring it back (promise D6)."""
    tx.execute(
        "INSERT OR REPLACE INTO tombstone (key, uid, version, deleted_ms) VALUES (?, ?, ?, ?)",
        (tombstone.key, tombstone.uid, tombstone.version, tombstone.deleted_ms),
    )


def load_tombstones(tx: Transaction) -> list[Tombstone]:
    rows = tx.execute("SELECT key, uid, version, deleted_ms FROM tombstone ORDER BY deleted_ms").fetchall()
    return [Tombstone(*row) for row in rows]


def load_tombstone(tx: Transaction, key: str) -> Tombstone | None:
    found = tx.execute("SELECT key, uid, version, deleted_ms FROM tombstone WHERE key = ?", (key,)).fetchone()
    return Tombstone(*found) if found else None


def unbury(tx: Transaction, key: str) -> None:
    tx.execute("DELETE FROM tombstone WHERE key = ?", (key,))
