"""The columns of jobs and of what makes them by the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloudstub.kinds.ages import age, duration, parse_time
from cloudstub.kinds.cells import AGE, CONTAINERS, IMAGES, NAME, NONE, SELECTOR, at, get
from cloudstub.kinds.kind import Column, Object


def _job_status(obj: Object, now: datetime) -> str:
    for condition in get(obj, "status", "conditions", default=()):
        if condition.get("type") in ("Complete", "Failed", "Suspended") and condition.get("status") == "True":
            return str(condition["type"])
    return "Terminating" if get(obj, "metadata", "deletionTimestamp") else "Running"


def _job_duration(obj: Object, now: datetime) -> str:
    start = parse_time(get(obj, "status", "startTime"))
    if start is None:
        return ""
    end = parse_time(get(obj, "status", "completionTime")) or now
    return duration(int((end - start).total_seconds()))


JOB = (
    NAME,
    Column("Status", _job_status),
    Column(
        "Completions",
        lambda o, now: f"{get(o, 'status', 'succeeded', default=0)}/{get(o, 'spec', 'completions', default=1)}",
    ),
    Column("Duration", _job_duration),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)


def _of_template(field: str) -> Any:
    def cell(obj: Object, now: datetime) -> str:
        containers = get(obj, "spec", "jobTemplate", "spec", "template", "spec", "containers", default=())
        return ",".join(str(container.get(field, "")) for container in containers)

    return cell


CRONJOB = (
    NAME,
    Column("Schedule", at("spec", "schedule", default="")),
    Column("Timezone", at("spec", "timeZone")),
    Column("Suspend", lambda obj, now: str(bool(get(obj, "spec", "suspend")))),
    Column("Active", lambda obj, now: len(get(obj, "status", "active", default=())), type="integer"),
    Column(
        "Last Schedule",
        lambda obj, now: age(get(obj, "status", "lastScheduleTime"), now) if get(obj, "status", "lastScheduleTime") else NONE,
    ),
    AGE,
    Column("Containers", _of_template("name"), priority=1),
    Column("Images", _of_template("image"), priority=1),
)
