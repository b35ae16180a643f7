"""The database: is it sound, and was one put aside that was not."""

from __future__ import annotations

from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, warning, wrong
from edgecore.errors import StoreError
from edgecore.store.inspection import KNOWN_SCHEMA, Inspection


def judge_database(found: Inspection | None, trouble: str, path: str) -> Verdict:
    if trouble:
        return wrong(
            f"the database cannot be read: {trouble}",
            "one that is damaged is put aside at the next start and fetched from the cloud again: systemctl restart edgecore",
        )
    if found is None:
        return ok(f"{path} is made at the first start")
    if found.flaw:
        return wrong(
            f"{path} is damaged: {found.flaw[:200]}",
            "systemctl restart edgecore puts it aside and fetches all from the cloud again, but for what was owed; if it stays: "
            "stop EdgeCore, move the file away, start it. See sd-life",
        )
    if found.schema > KNOWN_SCHEMA:
        return wrong(f"{path} was written by a later Bramble (schema {found.schema})", "install that version again")
    return ok(f"{path} is sound: {found.bytes // 1024} kB, {sum(found.rows.values())} rows")


def judge_aside(path: str, size: int | None) -> Verdict:
    if size is None:
        return ok("no damaged database was put aside")
    return warning(
        f"{path}: a damaged database was put aside ({size // 1024} kB); what was owed to the cloud then is lost",
        f"see sd-life and under-voltage; when nothing in it is wanted: rm {path}*",
    )


def _look_database(case: Case) -> Verdict:
    try:
        return judge_database(case.inspection(), "", case.config.database.data_source)
    except StoreError as exc:
        return judge_database(None, str(exc), case.config.database.data_source)


def _look_aside(case: Case) -> Verdict:
    path = case.config.database.data_source + ".corrupt"
    facts = case.board.facts(path)
    return judge_aside(path, facts.size if facts else None)


CHECKS = (
    Check(
        "database",
        Group.STORAGE,
        "the database is sound and of this version",
        "It holds all that this board was told and owes; without it pods of the cloud do not start offline.",
        _look_database,
        limit=120.0,
        root=True,
    ),
    Check(
        "database-aside",
        Group.STORAGE,
        "no damaged database was put aside",
        "It says that the disk lost data once, and takes room.",
        _look_aside,
        root=True,
    ),
)
