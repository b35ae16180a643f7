from __future__ import annotations

import pytest

from cloudcore.cloudhub.difference import Lack
from cloudcore.cloudhub.outbox import MAX_SAID_ONCE, Outbox
from cloudcore.ports import Owed
from viaduct.delivery import Timing
from viaduct.handshake import Mode
from viaduct.message import new_message

KEY = "default/pod/web"


def owed(operation: str, version: str = "", uid: str = "u1", key: str = KEY, group: str = "resource") -> Owed:
    message = new_message(
        source="edgecontroller", group=group, operation=operation, resource=key, now_ms=1, resource_version=version, content={"uid": uid}
    )
    return Owed(key, uid, version, message, removal=operation == "delete")


def drain(outbox: Outbox) -> list[tuple[str, str, str]]:
    """(operation, version, uid) of everything until nothing is owed; each is acknowledged at once."""
    said = []
    while messages := outbox.due(0.0):
        for message in messages:
            said.append((message.route.operation, message.header.resource_version, message.content["uid"]))
            outbox.acknowledged(message.id, 0.1)
    return said


CASES = [
    ("newest of what waits", [owed("insert", "5"), owed("update", "9"), owed("update", "10")], [("update", "10", "u1")]),
    ("older ones are left out", [owed("insert", "10"), owed("update", "9")], [("insert", "10", "u1")]),
    ("a deletion replaces an update", [owed("update", "5"), owed("delete", "6")], [("delete", "6", "u1")]),
    (
        "a successor waits behind the deletion",
        [owed("delete", "6"), owed("insert", "7", "u2")],
        [("delete", "6", "u1"), ("insert", "7", "u2")],
    ),
    (
        "a newer successor replaces the successor only",
        [owed("delete", "6"), owed("insert", "7", "u2"), owed("update", "9", "u2"), owed("update", "8", "u2")],
        [("delete", "6", "u1"), ("update", "9", "u2")],
    ),
    (
        "a successor that went before it was sent leaves the deletion",
        [owed("delete", "6"), owed("insert", "7", "u2"), owed("delete", "8", "u2")],
        [("delete", "6", "u1")],
    ),
    (
        "a third object",
        [owed("delete", "6"), owed("insert", "7", "u2"), owed("delete", "8", "u2"), owed("insert", "9", "u3")],
        [("delete", "6", "u1"), ("insert", "9", "u3")],
    ),
]


@pytest.mark.parametrize("mode", [Mode.LEDGER, Mode.PLAIN])
@pytest.mark.parametrize(("name", "offers", "said"), CASES, ids=[case[0] for case in CASES])
def test_what_is_said_for_what_was_offered(name: str, offers: list[Owed], said: list[tuple[str, str, str]], mode: Mode) -> None:
    outbox = Outbox(mode)
    for offer in offers:
        outbox.offer(offer)
    assert drain(outbox) == said
    assert (outbox.waiting, outbox.in_flight) == (0, 0)
    assert outbox._lanes == {} and outbox._sent == set()


def test_a_deletion_in_flight_is_followed_by_the_newest_successor() -> None:
    outbox = Outbox(Mode.LEDGER)
    outbox.offer(owed("delete", "6"))
    (death,) = outbox.due(0.0)
    outbox.offer(owed("insert", "7", "u2"))
    outbox.offer(owed("update", "8", "u2"))
    assert outbox.due(0.1) == []
    outbox.acknowledged(death.id, 0.2)
    assert drain(outbox) == [("update", "8", "u2")]


def test_ten_thousand_changes_of_one_object_cost_as_much_as_two() -> None:
    outbox = Outbox(Mode.LEDGER)
    outbox.offer(owed("insert", "1"))
    outbox.due(0.0)
    for version in range(2, 10_000):
        outbox.offer(owed("update", str(version)))
    assert outbox.waiting + outbox.in_flight == 2
    assert len(outbox._lanes[KEY]) == 2


def test_an_acknowledgement_gives_what_it_was_for_once() -> None:
    outbox = Outbox(Mode.LEDGER)
    item = owed("insert", "5")
    outbox.offer(item)
    (message,) = outbox.due(0.0)
    assert outbox.acknowledged(message.id, 0.1) is item
    assert outbox.acknowledged(message.id, 0.2) is None
    assert outbox.acknowledged("unknown", 0.2) is None


def test_what_is_unacknowledged_is_said_again_with_the_same_id() -> None:
    outbox = Outbox(Mode.LEDGER, Timing(first_retry=5.0))
    outbox.offer(owed("insert", "5"))
    (first,) = outbox.due(0.0)
    assert outbox.due(4.9) == []
    assert outbox.next_time() == 5.0
    assert outbox.due(5.0) == [first]


def test_twins_of_a_node_that_does_not_read_cost_two_messages_per_device_in_plain_mode() -> None:
    outbox = Outbox(Mode.PLAIN)
    for version in range(100):
        outbox.offer(owed("update", str(version), key="device/t", group="twin"))
    (only,) = outbox.due(0.0)
    assert only.content == {"uid": "u1"} and only.header.resource_version == ""


def test_answers_to_a_node_that_does_not_read_are_bounded() -> None:
    outbox = Outbox(Mode.LEDGER)
    assert all(outbox.tell(owed("response").message) for _ in range(MAX_SAID_ONCE))
    assert not outbox.tell(owed("response").message)


def _lacking(count: int, made: list[str]) -> Outbox:
    def make(lack: Lack) -> list[Owed]:
        made.append(lack.key)
        gone = [owed("delete", "", lack.remove_uid, lack.key)] if lack.remove_uid is not None else []
        return gone + ([owed("insert", "7", "u2", lack.key)] if lack.send else [])

    outbox = Outbox(Mode.LEDGER, make=make)
    outbox.lack(Lack(f"default/pod/p{number}", send=True) for number in range(count))
    return outbox


def test_the_messages_of_what_a_node_lacks_are_made_as_room_comes() -> None:
    made: list[str] = []
    outbox = _lacking(10_000, made)
    assert outbox.waiting == 10_000 and made == []
    sent = outbox.due(0.0)
    assert len(sent) == len(made) == 16
    while messages := outbox.due(0.0):
        sent += messages
    assert len(sent) == 64 and len(made) <= 80
    for message in sent:
        outbox.acknowledged(message.id, 0.1)
    assert len(drain(outbox)) == 10_000 - 64
    assert outbox.waiting == 0


def test_what_changes_while_it_is_lacking_is_said_once_and_the_predecessor_goes_first() -> None:
    made: list[str] = []
    outbox = _lacking(0, made)
    outbox.lack([Lack("default/pod/a", "u1", send=True), Lack("default/pod/b", send=True)])
    outbox.offer(owed("insert", "9", "u2", "default/pod/a"))
    outbox.offer(owed("delete", "9", "u2", "default/pod/b"))
    assert sorted(drain(outbox)) == [("delete", "", "u1"), ("delete", "9", "u2"), ("insert", "9", "u2")]


def test_what_is_owed_is_known_from_its_offer_to_its_acknowledgement() -> None:
    outbox = _lacking(1, [])
    outbox.offer(owed("insert", "5"))
    assert outbox.owes(KEY) and outbox.owes("default/pod/p0") and not outbox.owes("default/pod/other")
    drain(outbox)
    assert not outbox.owes(KEY) and not outbox.owes("default/pod/p0")
