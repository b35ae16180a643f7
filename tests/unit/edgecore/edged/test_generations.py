"""Which container of a name counts, and which one stays for its log."""

from __future__ import annotations

from typing import Any

from edgecore.containers import labels
from edgecore.containers.model import Container, State
from edgecore.edged.generations import current, predecessors, spare
from edgecore.edged.restarts import Record

TOLD_TWO: dict[str, Any] = {"containerStatuses": [{"name": "web", "restartCount": 2}]}


def made(restarts: int, state: State, *, name: str = "web", uid: str = "u") -> Container:
    label = {labels.CONTAINER: name, labels.POD_UID: uid, labels.RECORD: Record(restarts).text()}
    started = 0.0 if state is State.CREATED else 901.0
    return Container(f"{uid}-{name}-{restarts}", "n", "i", "s", state, label, 900.0, started, 990.0 if state is State.ENDED else 0.0)


def kept(*observed: Container, status: dict[str, Any] | None = None) -> list[Container]:
    return predecessors(observed, current(observed, status or {}))


def test_the_one_before_stays_while_its_successor_has_not_ended() -> None:
    dead = made(1, State.ENDED)
    assert kept(dead, made(2, State.RUNNING)) == [dead]
    assert kept(dead, made(2, State.CREATED)) == [dead]
    assert kept(dead, made(2, State.ENDED)) == []


def test_of_several_before_only_the_last_stays() -> None:
    assert kept(made(0, State.ENDED), made(1, State.ENDED), made(2, State.RUNNING)) == [made(1, State.ENDED)]


def test_what_still_runs_beside_its_successor_is_kept_for_nobody() -> None:
    assert kept(made(1, State.RUNNING), made(2, State.RUNNING)) == []


def test_a_container_that_somebody_removed_is_not_replaced_by_the_one_before_it() -> None:
    dead = made(1, State.ENDED)
    assert current([dead], TOLD_TWO) == {}
    assert kept(dead, status=TOLD_TWO) == [dead]
    assert current([made(2, State.ENDED)], TOLD_TWO) == {"web": made(2, State.ENDED)}
    assert current([made(1, State.RUNNING)], TOLD_TWO) == {"web": made(1, State.RUNNING)}


def test_of_many_pods_only_what_has_a_successor_can_be_spared() -> None:
    dead = made(1, State.ENDED)
    others = [made(1, State.ENDED, uid="v"), made(1, State.ENDED, name="init"), made(2, State.RUNNING)]
    assert spare([dead, *others]) == [dead]
