"""Every object, and every change of the last minutes, in one SQLite file. Nothing else in cloudstub imports sqlite3."""
