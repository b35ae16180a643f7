"""The tables (contract 6.7, our own columns after KubeEdge's) and how an older database becomes the present one.

``MIGRATIONS[n]`` takes a database from ``user_version`` n to n + 1. A step that has shipped is never changed; a new one is appended.
"""

from __future__ import annotations

_FIRST = (
    """CREATE TABLE meta (
        key VARCHAR(256) NOT NULL PRIMARY KEY,
        type VARCHAR(32) NOT NULL,
        value TEXT NOT NULL,
        uid TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX meta_type ON meta(type)",
    """CREATE TABLE tombstone (
        key VARCHAR(256) NOT NULL PRIMARY KEY,
        uid TEXT NOT NULL,
        version TEXT NOT NULL,
        deleted_ms INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE device (
        id VARCHAR(64) NOT NULL PRIMARY KEY,
        name TEXT NOT NULL DEFAULT '',
        description TEXT NOT NULL DEFAULT '',
        state TEXT NOT NULL DEFAULT '',
        last_online TEXT NOT NULL DEFAULT '',
        uid TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT ''
    )""",
    """CREATE TABLE device_attr (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        deviceid TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL DEFAULT '',
        value TEXT NOT NULL DEFAULT '',
        optional INTEGER NOT NULL DEFAULT 0,
        attr_type TEXT NOT NULL DEFAULT '',
        metadata TEXT NOT NULL DEFAULT '',
        UNIQUE (deviceid, name)
    )""",
    """CREATE TABLE device_twin (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        deviceid TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL DEFAULT '',
        expected TEXT NOT NULL DEFAULT '',
        actual TEXT NOT NULL DEFAULT '',
        expected_meta TEXT NOT NULL DEFAULT '',
        actual_meta TEXT NOT NULL DEFAULT '',
        expected_version TEXT NOT NULL DEFAULT '',
        actual_version TEXT NOT NULL DEFAULT '',
        optional INTEGER NOT NULL DEFAULT 0,
        attr_type TEXT NOT NULL DEFAULT '',
        metadata TEXT NOT NULL DEFAULT '',
        UNIQUE (deviceid, name)
    )""",
    """CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        lane TEXT NOT NULL,
        key TEXT UNIQUE,
        msg_id TEXT NOT NULL,
        message TEXT NOT NULL,
        created_ms INTEGER NOT NULL
    )""",
    "CREATE INDEX outbox_events ON outbox(id) WHERE key IS NULL",
    "CREATE TABLE sub_topics (topic TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
