from __future__ import annotations

import pytest

from edgecore.containers import labels
from edgecore.containers.model import Container, State
from edgecore.edged.restarts import Ended, Ends, Record, ended, following, lost, pause, record_of, should_run_again

UNKNOWN = Ended(137, "ContainerStatusUnknown", 0.0, 0.0, "x")


@pytest.mark.parametrize(
    ("policy", "exit_code", "init", "again"),
    [
        ("Always", 0, False, True),
        ("Always", 1, False, True),
        ("OnFailure", 0, False, False),
        ("OnFailure", 2, False, True),
        ("Never", 0, False, False),
        ("Never", 2, False, False),
        ("Always", 0, True, False),
        ("Always", 1, True, True),
        ("Never", 1, True, False),
    ],
)
def test_the_restart_policy(policy: str, exit_code: int, init: bool, again: bool) -> None:
    assert should_run_again(policy, exit_code, init=init) is again


def test_the_back_off_starts_at_once_then_doubles_from_ten_seconds_to_five_minutes() -> None:
    record, waits = Record(), []
    for start in range(0, 9000, 1000):
        end = Ended(1, "Error", start, start + 1, "x")
        waits.append(pause(record, end))
        record = following(record, end)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300, 300]
    assert (record.restarts, record.last) == (9, Ended(1, "Error", 8000, 8001, "x"))


def test_ten_healthy_minutes_wipe_the_slate_but_not_the_count() -> None:
    end = Ended(1, "Error", 0, 600, "x")
    assert pause(Record(7, 5), end) == 0
    assert following(Record(7, 5), end) == Record(8, 1, end)


def test_that_the_machine_went_down_is_no_fault_of_the_container() -> None:
    end = ended(Container("c", "n", "i", "s", State.CREATED, {}, started=900.0))
    assert end is not None
    assert pause(Record(9, 5), end) == 0
    assert following(Record(9, 5), end) == Record(10, 1, end)


def test_the_record_survives_in_a_label() -> None:
    record = Record(3, 2, Ended(137, "OOMKilled", 1.5, 2.5, "abc"))
    assert record_of(made(**{labels.RECORD: record.text()})) == record


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"last": 3}', '{"restarts": "many"}', '{"last": {"nonsense": 1}}'])
def test_a_label_that_cannot_be_read_is_an_empty_record(text: str) -> None:
    assert record_of(made(**{labels.RECORD: text})) == Record()


@pytest.mark.parametrize(
    ("state", "started", "code", "oom", "reason"),
    [
        (State.ENDED, 1.0, 0, False, "Completed"),
        (State.ENDED, 1.0, 3, False, "Error"),
        (State.ENDED, 1.0, 137, True, "OOMKilled"),
        (State.CREATED, 1.0, 0, False, "Unknown"),
        (State.CREATED, 0.0, 0, False, None),
        (State.RUNNING, 1.0, 0, False, None),
    ],
)
def test_how_a_container_ended(state: State, started: float, code: int, oom: bool, reason: str | None) -> None:
    found = ended(Container("c", "n", "i", "s", state, {}, started=started, exit_code=code, oom_killed=oom))
    assert (found.reason if found else None) == reason


def made(**label: str) -> Container:
    return Container("c", "n", "i", "s", State.RUNNING, label)


def test_when_a_container_ended_is_asked_of_the_wall_clock_once_and_never_lies_ahead() -> None:
    ends, found = Ends(), Container("c", "n", "i", "s", State.ENDED, {}, started=900.0, finished=1000.0)
    assert ends.look([found], wall=1004.0, running=50.0) == {found.id: 46.0}
    assert ends.look([found], wall=1e10, running=51.0) == {found.id: 46.0}, "the clock was set"
    assert Ends().look([found], wall=0.0, running=50.0) == {found.id: 50.0}, "the board booted in 1970"
    assert ends.look([], wall=1004.0, running=52.0) == {}


def test_what_had_not_ended_at_the_last_look_has_not_ended_before_it() -> None:
    ends, found = Ends(), Container("c", "n", "i", "s", State.ENDED, {}, started=900.0, finished=1000.0)
    ends.look([], wall=1000.0, running=50.0)
    assert ends.look([found], wall=1e10, running=51.0) == {found.id: 50.0}, "the clock was set between two looks"


@pytest.mark.parametrize(
    ("status", "record"),
    [
        (
            {"restartCount": 2, "containerID": "podman://x", "state": {"running": {"startedAt": "1970-01-01T00:01:00Z"}}},
            Record(3, 0, UNKNOWN),
        ),
        (
            {
                "restartCount": 0,
                "containerID": "podman://x",
                "state": {
                    "terminated": {
                        "exitCode": 3,
                        "reason": "Error",
                        "startedAt": "1970-01-01T00:01:00Z",
                        "finishedAt": "1970-01-01T00:02:00Z",
                        "containerID": "podman://x",
                    }
                },
            },
            Record(1, 0, Ended(3, "Error", 60.0, 120.0, "x")),
        ),
        (
            {
                "restartCount": 4,
                "containerID": "podman://x",
                "state": {"waiting": {"reason": "PodInitializing"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "containerID": "podman://x"}},
            },
            Record(5, 0, UNKNOWN),
        ),
        ({"restartCount": 0, "containerID": "", "state": {"waiting": {}}}, None),
        ({"containerID": "podman://x"}, Record(1, 0, UNKNOWN)),
    ],
)
def test_a_container_that_only_a_status_remembers_is_counted_on(status: dict[str, object], record: Record | None) -> None:
    assert lost([{"name": "other"}, {"name": "web", **status}], "web") == record
