from __future__ import annotations

import pytest

from edgecore.containers import labels
from edgecore.containers.model import Container, State
from edgecore.edged.restarts import Ended, Record, due, ended, following, record_of, should_run_again


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
        waits.append(due(record, end) - end.finished)
        record = following(record, end)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300, 300]
    assert (record.restarts, record.last) == (9, Ended(1, "Error", 8000, 8001, "x"))


def test_ten_healthy_minutes_wipe_the_slate_but_not_the_count() -> None:
    end = Ended(1, "Error", 0, 600, "x")
    assert due(Record(7, 5), end) == 600
    assert following(Record(7, 5), end) == Record(8, 1, end)


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
