from __future__ import annotations

import pytest

from cloudcore.edgecontroller import translate
from cloudcore.synccontroller.compare import Action, Patience, Repair, as_update, compare

POD = "default/pod/web"
LAMP = "device/lamp"
FAN = "device/fan"


@pytest.mark.parametrize(
    ("owed", "known", "expected"),
    [
        ([], [], []),
        ([(POD, "u1", "10")], [(POD, "u1", "10")], []),
        ([(POD, "u1", "9")], [(POD, "u1", "10")], []),
        ([(POD, "u1", "100")], [(POD, "u1", "99")], [(Action.RENEW, "u1")]),
        ([(POD, "u1", "99")], [(POD, "u1", "100")], []),
        ([(POD, "u1", "10")], [(POD, "u1", "")], [(Action.RENEW, "u1")]),
        ([(POD, "u1", "10")], [(POD, "u1", "not a number")], [(Action.RENEW, "u1")]),
        ([(POD, "u1", "10")], [], [(Action.SEND, "u1")]),
        ([(POD, "u2", "10")], [(POD, "u1", "50")], [(Action.RENEW, "u2")]),
        ([(POD, "u2", "60")], [(POD, "u1", "50"), (POD, "u2", "60")], [(Action.FORGET, "u1")]),
        ([], [(POD, "u1", "10")], [(Action.REMOVE, "u1")]),
        ([(LAMP, "u1", "10")], [], []),
        ([(LAMP, "u1", "10"), (FAN, "u2", "1")], [(FAN, "u2", "1")], [(Action.SEND, "u1")]),
        ([(LAMP, "u1", "10")], [(LAMP, "u1", "9")], [(Action.RENEW, "u1")]),
        ([("default/service/a", "u", "1")], [("default/service/a", "u", "0")], [(Action.RENEW, "u")]),
    ],
)
def test_what_a_node_lacks(owed: list[tuple[str, str, str]], known: list[tuple[str, str, str]], expected: list[tuple[Action, str]]) -> None:
    acknowledges = any(key.startswith("device/") for key, _, _ in known)
    assert [(repair.action, repair.uid) for repair in compare(owed, known, acknowledges_devices=acknowledges)] == expected


def test_a_renewal_is_never_said_as_insert() -> None:
    owed = translate.holding("pod", {"metadata": {"name": "web", "namespace": "default"}}, version="1", now_ms=1)
    assert owed.message.route.operation == "insert"
    assert as_update(owed).message.route.operation == "update"
    removal = translate.removed("pod", {"metadata": {"name": "web", "namespace": "default"}}, now_ms=1)
    assert as_update(removal) is removal


def test_a_difference_is_repaired_when_it_stays_and_less_and_less_often() -> None:
    patience = Patience(first=5.0, most=20.0)
    lack = [Repair(Action.SEND, POD, "u1", "10")]
    times = [now for now in range(0, 100, 5) if patience.due("edge1", POD, lack, now)]
    assert times == [5, 10, 20, 40, 60, 80]


def test_a_newer_difference_starts_anew_and_a_gone_one_is_forgotten() -> None:
    patience = Patience(first=5.0)
    old, new = [Repair(Action.RENEW, POD, "u1", "10")], [Repair(Action.RENEW, POD, "u1", "11")]
    assert patience.due("edge1", POD, old, 0.0) == []
    assert patience.due("edge1", POD, new, 5.0) == []
    assert patience.due("edge1", POD, [], 10.0) == []
    assert patience.due("edge1", POD, new, 15.0) == []
    assert patience.due("edge1", POD, new, 20.0) == new
