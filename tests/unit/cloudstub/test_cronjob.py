"""When a cron job starts a job, when it does not, and what it keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudstub.controllers import cronjob
from cloudstub.controllers.objects import text_of
from cloudstub.controllers.writes import Create, Delete, UpdateStatus, Write
from cloudstub.kinds import schedules
from tests.unit.cloudstub.made import NOW, ago, owned_by, template


def one(schedule: str = "*/5 * * * *", status: dict[str, Any] | None = None, *, made_ago: float = 86400, **spec: Any) -> dict[str, Any]:
    metadata = {"name": "c", "namespace": "default", "uid": "uid-c", "resourceVersion": "1", "creationTimestamp": ago(made_ago)}
    job = {"metadata": {"labels": {"a": "b"}}, "spec": {"template": template()}}
    full = {"schedule": schedule, "jobTemplate": job, "concurrencyPolicy": "Allow", **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": full, "status": status or {}}


def job(name: str, end: str = "", age: float = 100) -> dict[str, Any]:
    owner = owned_by("uid-c", "CronJob", "c")
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": ago(age), "ownerReferences": owner}
    ends = [{"type": end, "status": "True", "lastTransitionTime": ago(age - 10)}] if end else []
    return {"metadata": metadata, "spec": {}, "status": {"conditions": ends}}


def look(cron: dict[str, Any], *jobs: dict[str, Any], now: datetime = NOW) -> list[Write]:
    return cronjob.decide({"cronjobs.batch": [cron], "jobs.batch": list(jobs)}, now)


def started(writes: list[Write]) -> list[str]:
    return [w.object["metadata"]["name"] for w in writes if isinstance(w, Create) and w.resource == "jobs.batch"]


def removed(writes: list[Write]) -> list[str]:
    return [w.name for w in writes if isinstance(w, Delete)]


def status(writes: list[Write]) -> dict[str, Any]:
    return dict(next(w.object["status"] for w in writes if isinstance(w, UpdateStatus)))


NAME = f"c-{int(NOW.timestamp()) // 60}"
EARLIER = f"c-{int(NOW.timestamp()) // 60 - 5}"


def test_a_job_is_made_at_its_time_once_and_carries_the_template() -> None:
    writes = look(one(status={"lastScheduleTime": ago(300)}))
    (made,) = [w.object for w in writes if isinstance(w, Create) and w.resource == "jobs.batch"]
    assert made["metadata"]["name"] == NAME
    assert made["metadata"]["labels"] == {"a": "b"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-c"
    assert made["spec"] == {"template": template()}
    assert status(writes)["lastScheduleTime"] == text_of(NOW)
    assert started(look(one(status={"lastScheduleTime": text_of(NOW)}))) == []
    assert started(look(one(status={"lastScheduleTime": ago(300)}), job(NAME))) == [], "it was made, and only the note of it was lost"


ROWS: list[tuple[str, dict[str, Any], list[dict[str, Any]], list[str], list[str]]] = [
    ("of many that were missed the last", {"status": {"lastScheduleTime": ago(86400 * 90)}}, [], [NAME], []),
    ("new, and its time has not come", {"made_ago": 60, "schedule": "0 3 * * *"}, [], [], []),
    ("suspended", {"suspend": True}, [], [], []),
    ("too late", {"schedule": "55 11 * * *", "startingDeadlineSeconds": 200}, [], [], []),
    (
        "late, but not too late",
        {"schedule": "55 11 * * *", "startingDeadlineSeconds": 400},
        [],
        [f"c-{int(NOW.timestamp()) // 60 - 5}"],
        [],
    ),
    ("beside another", {}, [job("old")], [NAME], []),
    ("not beside another", {"concurrencyPolicy": "Forbid"}, [job("old")], [], []),
    ("the other has ended", {"concurrencyPolicy": "Forbid"}, [job("old", "Complete")], [NAME], []),
    ("in place of another", {"concurrencyPolicy": "Replace"}, [job("old"), job("done", "Complete")], [NAME], ["old"]),
    (
        "no more history than wanted",
        {"suspend": True, "successfulJobsHistoryLimit": 2, "failedJobsHistoryLimit": 0},
        [job("a", "Complete", 400), job("b", "Complete", 300), job("c", "Complete", 200), job("x", "Failed", 100), job("run")],
        [],
        ["a", "x"],
    ),
]


@pytest.mark.parametrize(("spec", "jobs", "starts", "removes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_happens_at_noon(spec: dict[str, Any], jobs: list[dict[str, Any]], starts: list[str], removes: list[str]) -> None:
    writes = look(one(**spec), *jobs)
    assert (started(writes), removed(writes)) == (starts, removes)


def test_the_status_names_what_runs_and_the_last_success() -> None:
    told = status(look(one(suspend=True), job("run"), job("old", "Complete", 500), job("last", "Complete", 50)))
    assert [reference["name"] for reference in told["active"]] == ["run"]
    assert told["lastSuccessfulTime"] == ago(40)


def test_the_next_look_is_at_the_next_time_of_any() -> None:
    crons = [one("*/7 * * * *"), one("0 0 * * *"), one("* * * * *", suspend=True)]
    assert cronjob.due({"cronjobs.batch": crons, "jobs.batch": []}, NOW) == NOW + timedelta(minutes=7)
    assert cronjob.due({"cronjobs.batch": [one("0 0 29 2 *", suspend=True)], "jobs.batch": []}, NOW) is None


def test_a_schedule_keeps_to_its_time_zone_also_when_the_clocks_change() -> None:
    after = datetime(2024, 3, 30, 12, 0, tzinfo=UTC)
    found = []
    for _ in range(3):
        moment = schedules.following("30 4 * * *", "Europe/Berlin", after)
        assert moment is not None
        found.append(text_of(moment))
        after = moment
    assert found == ["2024-03-31T02:30:00Z", "2024-04-01T02:30:00Z", "2024-04-02T02:30:00Z"]
    assert schedules.latest("@daily", "", after=NOW - timedelta(days=2), until=NOW) == NOW.replace(hour=0)
    assert schedules.latest("0 12 * * *", "", after=NOW - timedelta(days=2), until=NOW) == NOW


@pytest.mark.parametrize("text", ["@daily", "*/5 1-3 * JAN mon-fri", "0 0 1,15 * *", "0 0 L * *"])
def test_a_schedule_that_cron_can_read_is_read(text: str) -> None:
    assert schedules.schedule_fault(text) == ""


@pytest.mark.parametrize(
    "text", ["", "@reboot", "* * * *", "0 * * * * *", "60 * * * *", "a b c d e", "TZ=UTC 0 0 * * *", "*/0 * * * *", "0 0 30 2 *"]
)
def test_a_schedule_that_it_cannot_says_so(text: object) -> None:
    assert schedules.schedule_fault(text)
