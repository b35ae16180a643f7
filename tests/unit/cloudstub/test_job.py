"""When a job starts pods, when it waits, and how it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cloudstub.controllers import indexes, job
from cloudstub.controllers.backoff import Backoff
from cloudstub.controllers.objects import text_of
from cloudstub.controllers.writes import Create, Delete, UpdateStatus, Write
from tests.unit.cloudstub.made import NOW, ago, owned_by, pod, workload


def look(pods: list[dict[str, Any]], *, status: dict[str, Any] | None = None, **spec: Any) -> list[Write]:
    return job.decide({"jobs.batch": [one(status, **spec)], "pods": pods}, NOW)


def one(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    made = workload("Job", "j", **{"parallelism": 1, "completions": 1, "backoffLimit": 2, **spec})
    return {**made, "status": {"startTime": ago(100), **(status or {})}}


def worker(name: str, phase: str = "Running", *, ended_ago: float = 1000) -> dict[str, Any]:
    made = pod(name, phase=phase, node="n")
    made["metadata"]["ownerReferences"] = owned_by("uid-j", "Job")
    made["status"]["containerStatuses"] = [{"state": {"terminated": {"finishedAt": ago(ended_ago)}}}]
    return made


def ended(writes: list[Write]) -> list[tuple[str, str]]:
    statuses = [write.object["status"] for write in writes if isinstance(write, UpdateStatus)]
    return [(c["type"], c["reason"]) for status in statuses for c in status.get("conditions", [])]


ROWS: list[tuple[str, list[dict[str, Any]], dict[str, Any], int, int, list[tuple[str, str]]]] = [
    ("starts", [], {}, 1, 0, []),
    ("starts as many as may run", [], {"parallelism": 3, "completions": 5}, 3, 0, []),
    ("starts no more than are missing", [worker("a", "Succeeded")], {"parallelism": 3, "completions": 2}, 1, 0, []),
    ("runs", [worker("a")], {}, 0, 0, []),
    ("tries again after the wait", [worker("a", "Failed", ended_ago=11)], {}, 1, 0, []),
    ("waits after a failure", [worker("a", "Failed", ended_ago=9)], {}, 0, 0, []),
    ("waits longer after two", [worker("a", "Failed", ended_ago=30), worker("b", "Failed", ended_ago=19)], {}, 0, 0, []),
    ("succeeds", [worker("a", "Succeeded")], {}, 0, 0, [("Complete", "CompletionsReached")]),
    ("gives up", [worker(n, "Failed") for n in "abc"], {}, 0, 0, [("Failed", "BackoffLimitExceeded")]),
    ("takes too long", [worker("a")], {"activeDeadlineSeconds": 100}, 0, 1, [("Failed", "DeadlineExceeded")]),
    ("still has time", [worker("a")], {"activeDeadlineSeconds": 101}, 0, 0, []),
    ("is suspended", [worker("a")], {"suspend": True}, 0, 1, []),
    ("is suspended for longer than it may take", [worker("a")], {"suspend": True, "activeDeadlineSeconds": 5}, 0, 1, []),
    ("runs fewer", [worker("a"), worker("b")], {"parallelism": 1, "completions": 4}, 0, 1, []),
    ("queue goes on", [worker("a", "Succeeded"), worker("b")], {"completions": None, "parallelism": 3}, 0, 0, []),
    ("queue is empty", [worker("a", "Succeeded")], {"completions": None}, 0, 0, [("Complete", "CompletionsReached")]),
]


@pytest.mark.parametrize(("pods", "spec", "starts", "stops", "conditions"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_job_does_what_its_pods_call_for(
    pods: list[dict[str, Any]], spec: dict[str, Any], starts: int, stops: int, conditions: list[tuple[str, str]]
) -> None:
    writes = look(pods, **spec)
    assert sum(isinstance(write, Create) for write in writes) == starts
    assert sum(isinstance(write, Delete) for write in writes) == stops
    assert ended(writes) == conditions


def test_the_time_that_a_job_may_take_begins_anew_when_it_goes_on() -> None:
    (suspended,) = (write.object["status"] for write in look([], suspend=True) if isinstance(write, UpdateStatus))
    assert "startTime" not in suspended
    made = one(activeDeadlineSeconds=5)
    (resumed,) = (
        write.object["status"]
        for write in job.decide({"jobs.batch": [{**made, "status": suspended}], "pods": []}, NOW)
        if isinstance(write, UpdateStatus)
    )
    assert resumed["startTime"] == text_of(NOW)
    assert job.due({"jobs.batch": [{**made, "status": resumed}], "pods": []}, NOW) == NOW + timedelta(seconds=5)


def test_a_finished_job_stays_finished_whatever_becomes_of_its_pods() -> None:
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": ago(50)}], "succeeded": 1}
    assert look([], status=done) == []


def test_a_finished_job_goes_when_its_time_is_over() -> None:
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": ago(50)}]}
    assert look([], status=done, ttlSecondsAfterFinished=51) == []
    assert job.due({"jobs.batch": [one(done, ttlSecondsAfterFinished=51)], "pods": []}, NOW) == NOW + timedelta(seconds=1)
    (write,) = look([], status=done, ttlSecondsAfterFinished=50)
    assert isinstance(write, Delete)
    assert write.resource == "jobs.batch"


def test_the_pods_of_a_job_name_it_in_their_labels() -> None:
    (create,) = (write for write in look([]) if isinstance(write, Create))
    labels = create.object["metadata"]["labels"]
    assert labels["job-name"] == labels["batch.kubernetes.io/job-name"] == "j"
    assert labels["controller-uid"] == "uid-j"


def test_the_end_of_a_wait_wakes_the_job() -> None:
    snapshot = {"jobs.batch": [one()], "pods": [worker("a", "Failed", ended_ago=4)]}
    assert job.due(snapshot, NOW) == NOW + timedelta(seconds=6)


def test_a_wait_doubles_with_every_failure_up_to_its_most_and_ends_with_success() -> None:
    waits = Backoff(first=1.0, most=5.0)
    assert [waits.fail("a", clock) for clock in (0.0, 10.0, 20.0, 30.0)] == [1.0, 2.0, 4.0, 5.0]
    assert waits.is_waiting("a", 34.9)
    assert not waits.is_waiting("b", 34.9)
    waits.succeed("a")
    assert not waits.is_waiting("a", 34.9)
    assert waits.fail("a", 34.9) == 1.0


def test_failures_within_one_wait_count_once() -> None:
    waits = Backoff(first=1.0, most=5.0)
    assert [waits.fail("a", clock) for clock in (0.0, 0.25, 0.5)] == [1.0, 0.75, 0.5]
    assert waits.fail("a", 1.0) == 2.0


def numbered(name: str, index: int, phase: str = "Running") -> dict[str, Any]:
    made = worker(name, phase)
    made["metadata"]["annotations"] = {"batch.kubernetes.io/job-completion-index": str(index)}
    return made


def test_an_indexed_job_has_one_success_for_each_index() -> None:
    spec = {"completionMode": "Indexed", "completions": 5, "parallelism": 3}
    there = [numbered("a", 0, "Succeeded"), numbered("b", 1), numbered("c", 0, "Succeeded"), numbered("d", 2, "Failed")]
    writes = look(there, **spec)
    made = [write.object for write in writes if isinstance(write, Create)]
    assert [pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in made] == ["2", "3"]
    assert [pod["spec"]["hostname"] for pod in made] == ["j-2", "j-3"]
    assert all(pod["metadata"]["name"].startswith(f"j-{index}-") for pod, index in zip(made, (2, 3), strict=True))
    assert all(pod["spec"]["containers"][0]["env"][-1]["name"] == "JOB_COMPLETION_INDEX" for pod in made)
    (status,) = [write.object["status"] for write in writes if isinstance(write, UpdateStatus)]
    assert (status["succeeded"], status["completedIndexes"]) == (1, "0")
    done = [numbered(f"p{index}", index, "Succeeded") for index in range(5)]
    finished = look(done, **spec)
    assert ended(finished) == [("Complete", "CompletionsReached")]
    (status,) = [write.object["status"] for write in finished if isinstance(write, UpdateStatus)]
    assert status["completedIndexes"] == "0-4"


@pytest.mark.parametrize(("indexes_", "text"), [((), ""), ((3,), "3"), ((0, 1, 2, 4, 6, 7), "0-2,4,6-7")])
def test_indexes_are_told_in_runs(indexes_: tuple[int, ...], text: str) -> None:
    assert indexes.text(indexes_) == text
