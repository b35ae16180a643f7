"""The tables, and how the file is opened."""

from __future__ import annotations

VERSION = 1

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # FULL and nothing less: with NORMAL a power cut takes writes that were already answered.
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=256",
    "PRAGMA busy_timeout=2000",
    "PRAGMA locking_mode=EXCLUSIVE",
)

# `changes.before` is the version that a change replaced. The version it made is `before` of the key's next change, or
# the row in `objects`: one copy of each version, and both sides of every change can be told.
TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    uid TEXT NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    revision INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, type TEXT NOT NULL,
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, before BLOB
);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
