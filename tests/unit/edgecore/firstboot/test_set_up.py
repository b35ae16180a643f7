"""From a card to a board that is set up, on folders in place of the partition and the root."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edgecore.firstboot import joincommands
from edgecore.firstboot.board import Board, JoinOrder
from edgecore.firstboot.commands import set_up
from edgecore.firstboot.partition import Partition
from tests.unit.edgecore.firstboot.cards import KEY, PASSPHRASE, TOKEN, USER_DATA, WHOLE


class Card:
    def __init__(self, folder: Path) -> None:
        self.fat, self.root = folder / "fat", folder / "root"
        self.errors = self.fat / "bramble-errors.txt"
        self.partition, self.board = Partition(self.fat), Board(self.root)
        for name, text in {
            "etc/hostname": "bramble\n",
            "etc/machine-id": "0123456789abcdef\n",
            "etc/bramble/mappers/modbus.yaml": "",
            "usr/share/zoneinfo/Europe/Berlin": "",
        }.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        self.fat.mkdir()

    def boot(self, **files: str) -> int:
        for name, text in files.items():
            (self.fat / name.replace("__", "-").replace("_", ".")).write_text(text)
        return set_up(self.partition, self.board)

    def text(self, name: str) -> str:
        return (self.root / name).read_text()


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def test_a_card_sets_its_board_up(card: Card) -> None:
    assert card.boot(bramble_yaml=WHOLE) == 0
    assert card.text("etc/hostname") == "greenhouse\n"
    assert "127.0.1.1 greenhouse\n" in card.text("etc/hosts")
    assert (card.root / "etc/localtime").readlink() == Path("/usr/share/zoneinfo/Europe/Berlin")
    assert card.text("etc/ssh/authorized_keys.d/bramble") == f"{KEY}\n"
    assert card.board.network() == "Kräuter & Co"
    assert card.board.order() == JoinOrder("edge.example", 10000, "greenhouse", TOKEN)


def test_secrets_are_for_root_alone_and_nowhere_on_the_partition(card: Card) -> None:
    card.boot(bramble_yaml=WHOLE)
    for name in ("etc/wpa_supplicant/wpa_supplicant-wlan0.conf", "var/lib/bramble/firstboot/join.json"):
        assert stat.S_IMODE((card.root / name).stat().st_mode) == 0o600
    assert PASSPHRASE not in card.text("etc/wpa_supplicant/wpa_supplicant-wlan0.conf")
    left = b"".join(path.read_bytes() for path in card.fat.iterdir())
    assert TOKEN.encode() not in left and PASSPHRASE.encode() not in left and b"# as on its label" in left


def test_the_bytes_of_the_old_file_are_overwritten(card: Card) -> None:
    path = card.fat / "bramble.yaml"
    path.write_text(WHOLE)
    with path.open("rb") as old:
        set_up(card.partition, card.board)
        assert old.read().strip(b"\0") == b""


def test_a_wrong_value_changes_nothing_and_is_told_on_the_partition(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = WHOLE.replace("DE", "Germany").replace("Berlin", "Berlinn")
    assert card.boot(bramble_yaml=wrong) == 2
    assert "wifi.country: expected" in card.errors.read_text() and "wifi.country: expected" in capsys.readouterr().err
    assert card.text("etc/hostname") == "bramble\n" and not (card.root / "etc/localtime").exists()
    assert (card.fat / "bramble.yaml").read_text() == wrong


def test_a_corrected_card_is_applied_at_the_next_boot_and_the_errors_go(card: Card) -> None:
    card.boot(bramble_yaml=WHOLE.replace("Berlin", "Berlinn"))
    assert "timeZone: expected a time zone such as Europe/Berlin, got 'Europe/Berlinn'" in card.errors.read_text()
    assert card.boot(bramble_yaml=WHOLE) == 0
    assert not card.errors.exists() and card.text("etc/hostname") == "greenhouse\n"


def test_the_second_boot_leaves_a_persons_changes_alone(card: Card) -> None:
    card.boot(bramble_yaml=WHOLE)
    (card.root / "etc/hostname").write_text("renamed\n")
    assert card.boot() == 0
    assert card.text("etc/hostname") == "renamed\n"


def test_a_change_after_secrets_were_taken_keeps_network_and_order(card: Card) -> None:
    card.boot(bramble_yaml=WHOLE)
    network = card.text("etc/wpa_supplicant/wpa_supplicant-wlan0.conf")
    left = (card.fat / "bramble.yaml").read_text()
    assert card.boot(bramble_yaml=left.replace("greenhouse", "shed", 1).replace("name: greenhouse", "name: shed")) == 0
    assert card.text("etc/hostname") == "shed\n"
    assert card.text("etc/wpa_supplicant/wpa_supplicant-wlan0.conf") == network


def test_another_network_needs_its_passphrase_and_a_cloud_its_token(card: Card) -> None:
    text = "wifi: {country: DE, ssid: other}\ncloud: {address: edge.example, pairing: false}\nmappers: [serial]\n"
    assert card.boot(bramble_yaml=text) == 2
    told = card.errors.read_text()
    assert "wifi.passphrase: expected" in told and "cloud.token: expected" in told and "mappers: there is no serial" in told


def test_a_board_that_nobody_named_is_not_called_as_the_others(card: Card) -> None:
    assert card.boot(bramble_yaml="# nothing\n") == 0
    assert card.text("etc/hostname") == "bramble-012345\n"


def test_imagers_settings_alone_are_enough_and_do_not_stay(card: Card) -> None:
    assert card.boot(user__data=USER_DATA) == 0
    assert card.text("etc/hostname") == "greenhouse\n"
    assert "$5$" not in (card.fat / "user-data").read_text()
    assert card.boot() == 0


def test_a_file_that_is_no_text_is_told_of(card: Card) -> None:
    (card.fat / "bramble.yaml").write_bytes(b"name: \xff")
    assert card.boot() == 2
    assert "not UTF-8 text" in card.errors.read_text()


def test_joining_goes_on_until_it_is_done_and_tells_only_of_lasting_trouble(card: Card) -> None:
    card.boot(bramble_yaml=WHOLE)
    told: list[bool] = []
    waits: list[float] = []

    def join(order: JoinOrder) -> tuple[int, str]:
        told.append(card.errors.exists())
        return (0, "joined") if len(told) == 5 else (1, f"{order.address} cannot be reached")

    assert joincommands.keep_trying(card.partition, card.board, join, waits.append) == 0
    assert told == [False, False, False, True, True]
    assert waits == [5, 10, 20, 40]
    assert card.board.order() is None and not card.errors.exists()


def test_what_can_never_succeed_is_told_at_once(card: Card) -> None:
    card.boot(bramble_yaml=WHOLE)
    assert joincommands.keep_trying(card.partition, card.board, lambda order: (2, "wrong config"), pytest.fail) == 2
    assert "wrong config" in card.errors.read_text() and card.board.order() is not None


def test_without_an_order_there_is_nothing_to_join(card: Card) -> None:
    assert joincommands.keep_trying(card.partition, card.board, pytest.fail, pytest.fail) == 0
