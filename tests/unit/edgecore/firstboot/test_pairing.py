"""A card without a token: the board shows a code, on the screen and on the card, until somebody types it at a site."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudcore.pki.exchange import answer
from edgecore.certs.jointoken import Endpoint
from edgecore.errors import IdentityError
from edgecore.firstboot import joincommands, paircommands
from edgecore.firstboot.board import JoinOrder
from edgecore.pairing.site import Site
from tests.unit.edgecore.firstboot.cards import TOKEN
from tests.unit.edgecore.firstboot.test_set_up import Card
from viaduct.pairing import Invitation, answers_body, invitation_body, read_code, read_request

NO_CLOUD = "name: greenhouse\n"


class SwitchedOff(BaseException):
    """Power is gone."""


class Screen:
    """A board at work; ``at_site`` is asked as a site would be, with the code that stands on the card."""

    def __init__(self, card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
        self.card = card
        self.pairing = card.fat / "bramble-pairing.txt"
        self.looked_for: list[str | None] = []
        self.joins: list[JoinOrder] = []
        self.join_codes = [0]
        self.at_site: Callable[[str, bytes], bytes] = lambda code, body: answers_body([])
        self.rounds = 3
        monkeypatch.setattr(paircommands, "finder", self._finder)
        monkeypatch.setattr("edgecore.pairing.asking.pause_s", lambda *_: 0.0)
        monkeypatch.setattr("edgecore.pairing.asking.ask_to_pair", lambda _, body: self.at_site(self.code(), body))

    def code(self) -> str:
        found = re.search(r"^ {4}(\S+)$", self.pairing.read_text(), re.MULTILINE)
        assert found
        return read_code(found[1])

    def run(self) -> int:
        return joincommands.keep_trying(self.card.partition, self.card.board, self._join, pytest.fail)

    def run_until_switched_off(self) -> None:
        with pytest.raises(SwitchedOff):
            self.run()

    def _finder(self, address: str | None, flag: str) -> Callable[[], tuple[Site, ...]]:
        self.looked_for.append(address)
        left = self.rounds

        def find() -> tuple[Site, ...]:
            nonlocal left
            left -= 1
            if left < 0:
                raise SwitchedOff
            return (Site("", (Endpoint("192.0.2.7", 10002),)),)

        return find

    def _join(self, order: JoinOrder) -> tuple[int, str]:
        self.joins.append(order)
        code = self.join_codes.pop(0)
        return code, "joined" if not code else "the line broke"


def let_in(code: str, body: bytes) -> bytes:
    return answers_body([answer(code, read_request(body), invitation_body(Invitation(TOKEN, "shed", 11000)))])


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


@pytest.fixture
def screen(card: Card, monkeypatch: pytest.MonkeyPatch) -> Screen:
    return Screen(card, monkeypatch)


def test_a_board_shows_its_code_and_joins_where_it_is_typed(card: Card, screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    assert card.boot(bramble_yaml=NO_CLOUD) == 0
    shown: list[str] = []

    def at_site(code: str, body: bytes) -> bytes:
        shown.append(code)
        return let_in(code, body)

    screen.at_site = at_site
    assert screen.run() == 0
    assert screen.looked_for == [None]
    assert screen.joins == [JoinOrder("192.0.2.7:10002", 11000, "shed", TOKEN)]
    assert f"pairing code {shown[0][:4]}-{shown[0][4:]}" in capsys.readouterr().out
    assert not screen.pairing.exists() and not card.errors.exists() and card.board.order() is None


def test_the_card_says_what_to_type_and_that_the_code_stays_over_a_restart(card: Card, screen: Screen) -> None:
    card.boot(bramble_yaml=NO_CLOUD)
    screen.run_until_switched_off()
    first, text = screen.code(), screen.pairing.read_text()
    assert f"cloudcore pair {first[:4]}-{first[4:]}" in text and "asks 192.0.2.7:10002" in text
    assert card.boot() == 0
    screen.run_until_switched_off()
    assert screen.code() == first
    assert card.boot(bramble_yaml="name: shed\n") == 0
    screen.run_until_switched_off()
    assert screen.code() == first and card.board.order() == JoinOrder("", 10000, "shed", "", first)


def test_news_do_not_wear_the_card(card: Card, screen: Screen) -> None:
    card.boot(bramble_yaml=NO_CLOUD)
    screen.rounds, said = 20, iter(range(20))

    def at_site(code: str, body: bytes) -> bytes:
        raise IdentityError(f"trouble of another kind: {next(said)}")

    screen.at_site = at_site
    written: list[str] = []
    tell = card.partition.tell

    def count(text: str, name: str = "") -> None:
        written.append(name)
        tell(text, name)

    card.partition.tell = count  # type: ignore[method-assign,assignment]
    screen.run_until_switched_off()
    assert written.count("bramble-pairing.txt") == 1 + 3


def test_a_board_with_an_address_asks_that_one_only_and_a_port_on_the_card_counts(card: Card, screen: Screen) -> None:
    assert card.boot(bramble_yaml="name: b\ncloud: {address: edge.example, hubPort: 12000}\n") == 0
    screen.at_site = let_in
    assert screen.run() == 0
    assert screen.looked_for == ["edge.example"] and screen.joins[0].hub_port == 12000


def test_a_join_that_fails_is_told_and_tried_again(card: Card, screen: Screen) -> None:
    card.boot(bramble_yaml=NO_CLOUD)
    screen.join_codes = [1, 0]
    told: list[bool] = []

    def at_site(code: str, body: bytes) -> bytes:
        told.append(card.errors.exists())
        return let_in(code, body)

    screen.at_site = at_site
    assert screen.run() == 0
    assert told == [False, True] and not card.errors.exists()


def test_what_can_never_succeed_ends_it(card: Card, screen: Screen) -> None:
    card.boot(bramble_yaml=NO_CLOUD)
    screen.at_site, screen.join_codes = let_in, [2]
    assert screen.run() == 2
    assert "the line broke" in card.errors.read_text()


def test_whom_pairing_is_forbidden_shows_no_code(card: Card, screen: Screen) -> None:
    assert card.boot(bramble_yaml=NO_CLOUD) == 0
    screen.run_until_switched_off()
    assert card.boot(bramble_yaml="name: greenhouse\ncloud: {pairing: false}\n") == 0
    assert card.board.order() is None and screen.run() == 0 and not screen.pairing.exists()


def test_imagers_files_do_not_undo_that(card: Card) -> None:
    assert card.boot(bramble_yaml="cloud: {pairing: false}\n", user__data="#cloud-config\nhostname: shed\n") == 0
    assert card.board.order() is None and card.text("etc/hostname") == "shed\n"


def test_a_token_takes_the_place_of_a_code_and_is_not_forgotten_for_one(card: Card) -> None:
    card.boot(bramble_yaml=NO_CLOUD)
    assert card.boot(bramble_yaml=f"name: a\ncloud: {{address: edge.example, token: {TOKEN}}}\n") == 0
    assert card.board.order() == JoinOrder("edge.example", 10000, "a", TOKEN)
    assert card.boot(bramble_yaml="name: b\ncloud: {address: edge.example}\n") == 0
    assert card.board.order() == JoinOrder("edge.example", 10000, "a", TOKEN)


def test_a_board_that_has_joined_shows_no_code_after_a_change_of_its_card(card: Card) -> None:
    (card.root / "etc/kubeedge/config").mkdir(parents=True)
    (card.root / "etc/kubeedge/config/edgecore.yaml").touch()
    assert card.boot(bramble_yaml="timeZone: Europe/Berlin\n") == 0
    assert card.board.order() is None
