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

_SECOND = (
    "ALTER TABLE outbox ADD COLUMN rank INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE outbox ADD COLUMN size INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE outbox ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0",
    """UPDATE outbox SET size = length(CAST(message AS BLOB)), rank = CASE
        WHEN key LIKE 'podstatus/%' THEN 0 WHEN key IS NOT NULL THEN 1 WHEN lane LIKE 'upload/%' THEN 3 ELSE 2 END""",
    "DROP INDEX outbox_events",
    "CREATE INDEX outbox_events ON outbox(rank, id) WHERE key IS NULL",
    "CREATE TABLE outbox_events_held (rank INTEGER NOT NULL PRIMARY KEY, count INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    """INSERT INTO outbox_events_held SELECT column1,
        (SELECT count(*) FROM outbox WHERE key IS NULL AND rank = column1),
        (SELECT coalesce(sum(size), 0) FROM outbox WHERE key IS NULL AND rank = column1) FROM (VALUES (2), (3))""",
    """CREATE TRIGGER outbox_event_in AFTER INSERT ON outbox WHEN new.key IS NULL BEGIN
        UPDATE outbox_events_held SET count = count + 1, bytes = bytes + new.size WHERE rank = new.rank; END""",
    """CREATE TRIGGER outbox_event_out AFTER DELETE ON outbox WHEN old.key IS NULL BEGIN
        UPDATE outbox_events_held SET count = count - 1, bytes = bytes - old.size WHERE rank = old.rank; END""",
    "CREATE TABLE dropped (reason TEXT NOT NULL PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE probe (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), tries INTEGER NOT NULL)",
    "INSERT INTO probe VALUES (1, 0)",
)

_THIRD = ("CREATE TABLE retained (prefix TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID",)

# What is looked through often (history) apart from what is large: a commit touches the last page of each.
_FOURTH = (
    """CREATE TABLE history (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        samples INTEGER NOT NULL,
        owed INTEGER NOT NULL,
        size INTEGER NOT NULL,
        stamp INTEGER NOT NULL
    )""",
    "CREATE TABLE history_data (id INTEGER PRIMARY KEY, packed BLOB NOT NULL)",
)

_FIFTH = (
    """CREATE TABLE rule_state (
        key TEXT NOT NULL PRIMARY KEY,
        digest TEXT NOT NULL,
        fired INTEGER NOT NULL,
        fired_ms INTEGER NOT NULL,
        times INTEGER NOT NULL
    ) WITHOUT ROWID""",
)

_SIXTH = ("ALTER TABLE device ADD COLUMN faults TEXT NOT NULL DEFAULT ''",)

_SEVENTH = ("CREATE TABLE target_urls (url TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID",)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH, _SEVENTH)
