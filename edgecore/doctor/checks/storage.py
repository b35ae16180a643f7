"""Room on the disks, the life and the speed of the card, and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecore.doctor.board import Space, Speed
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.edged.node import Machine, nearly_full, short_of_memory
from edgecore.errors import EdgeCoreError

MB = 1024 * 1024
_GRAPH_ROOT = "/var/lib/containers/storage"
_JOURNAL, _JOURNAL_MOST = "/var/log/journal", 300 * MB
_SLOW_S, _VERY_SLOW_S = 0.1, 1.0
_SLOW_RATE = 2 * MB
_FLASH = ("mmcblk",)
_ROOM = "podman image prune removes images that no container uses; du -xh / | sort -h | tail shows what is large"
_CARD = "back up, and replace the card; an industrial one or a SSD lasts longer"


def judge_space(spaces: Sequence[Space], *, threshold: int) -> Verdict:
    """``threshold``: percent in use from which EdgeCore removes images."""
    full = [f"{s.path}: {s.available // MB} MB of {s.total // MB} MB" for s in spaces if nearly_full(s.total, s.available)]
    if full:
        return wrong("less than 5 % is free at " + ", ".join(full), _ROOM)
    tight = [s for s in spaces if s.total and (s.total - s.available) * 100 > threshold * s.total]
    if tight:
        found = ", ".join(f"{s.path} ({s.available // MB} MB free)" for s in tight)
        return warning(f"more than {threshold} % in use at {found}: EdgeCore removes images that no pod needs", _ROOM)
    return ok(", ".join(f"{s.available // MB} MB free at {s.path}" for s in spaces))


def judge_inodes(spaces: Sequence[Space]) -> Verdict:
    counted = [s for s in spaces if s.nodes]
    full = [s.path for s in counted if nearly_full(s.nodes, s.nodes_available)]
    if full:
        return wrong(f"hardly a file more can be made at {', '.join(full)}", f"remove many small files; {_ROOM}")
    return (
        ok(f"{min(s.nodes_available * 100 // s.nodes for s in counted)} % of inodes are free") if counted else skipped("none are counted")
    )


def judge_writable(spaces: Sequence[Space], trouble: str) -> Verdict:
    """``trouble``: why the running EdgeCore cannot save (promise S3)."""
    frozen = [s.path for s in spaces if s.readonly]
    if frozen:
        return wrong(
            f"read-only: {', '.join(frozen)}; running pods go on, nothing new is saved",
            "dmesg | grep -i ext4 says why; after errors of the card replace it, else mount -o remount,rw /",
        )
    if trouble:
        return wrong(f"EdgeCore cannot save: {trouble}; running pods go on", "make room: see disk-space; it heals by itself")
    return ok("the disks can be written")


@dataclass(frozen=True, slots=True)
class Card:
    """``kind``: SD or MMC. ``life``: tenths of its life that are used, of both kinds of cells, 0 where it does not tell; ``spare``:
    1 normal, 2 and 3: spare blocks run out."""

    device: str
    kind: str
    name: str = ""
    made: str = ""
    life: tuple[int, ...] = ()
    spare: int = 0


def judge_cards(cards: Sequence[Card]) -> Verdict:
    if not cards:
        return skipped("no SD card and no eMMC here")
    worn = [card for card in cards if max(card.life, default=0) > 10 or card.spare >= 3]
    old = [card for card in cards if max(card.life, default=0) >= 9 or card.spare == 2]
    for found, verdict, words in ((worn, wrong, "is worn out"), (old, warning, "is nearly worn out")):
        if found:
            return verdict(", ".join(f"{_card(card)} {words}" for card in found), _CARD)
    silent = [card for card in cards if not any(card.life)]
    return ok("; ".join(f"{_card(card)}{' tells nothing of its life' if card in silent else ' is well'}" for card in cards))


def judge_disk_errors(counted: Mapping[str, int], lines: Sequence[str]) -> Verdict:
    """``counted``: errors that ext4 has noted by device; ``lines``: the kernel's complaints since boot."""
    bad = [f"{device}: {count}" for device, count in counted.items() if count]
    if not (bad or lines):
        return ok("the kernel has seen no error of a disk")
    text = "; ".join([*([f"ext4 has noted errors ({', '.join(bad)})"] if bad else []), *(line.strip()[:160] for line in lines[-2:])])
    return wrong(text, f"{_CARD}; then fsck at the next boot: fsck.mode=force in cmdline.txt")


def judge_speed(speed: Speed) -> Verdict:
    text = f"a commit takes {speed.small * 1000:.1f} ms, long writes {speed.large / MB:.0f} MB/s"
    if speed.small > _VERY_SLOW_S:
        return wrong(f"the disk is very slow: {text}", _CARD)
    if speed.small > _SLOW_S or speed.large < _SLOW_RATE:
        return warning(f"the disk is slow: {text}", "what else writes? iotop shows it; cards of class A1 or A2 are faster at this")
    return ok(text)


def judge_journal(size: int, *, on_flash: bool) -> Verdict:
    if size > _JOURNAL_MOST and on_flash:
        return warning(
            f"the journal takes {size // MB} MB of the card",
            "journalctl --vacuum-size=100M; SystemMaxUse=100M in /etc/systemd/journald.conf keeps it so",
        )
    return ok(f"the journal takes {size // MB} MB") if size else ok("the journal is kept in memory, or not at all")


def judge_swap(on_flash: Sequence[str]) -> Verdict:
    if on_flash:
        return warning(
            f"swap lies on the card: {', '.join(on_flash)}", "apt install zram-tools, then swapoff and remove it from /etc/fstab"
        )
    return ok("no swap on a card")


def judge_memory(machine: Machine, killed: int) -> Verdict:
    free = f"{machine.memory_available // MB} MB of {machine.memory // MB} MB are available"
    if short_of_memory(machine):
        return wrong(f"memory is short: {free}", "edgecore top shows which container takes it; give pods memory limits")
    if killed:
        return warning(f"{killed} processes were ended since boot because memory ran out; now {free}", "dmesg | grep -i oom names them")
    return ok(free)


def _card(card: Card) -> str:
    words = " ".join(filter(None, (card.kind, card.name, f"of {card.made}" if card.made else "")))
    return f"{card.device} ({words})"


def _spaces(case: Case) -> list[Space]:
    """One for each filesystem."""
    folders = (str(Path(case.config.database.data_source).parent), case.engine_folder, _GRAPH_ROOT)
    found = [space for space in map(case.board.space, folders) if space is not None]
    return list({space.device: space for space in reversed(found)}.values())


def _look_space(case: Case) -> Verdict:
    return judge_space(_spaces(case), threshold=case.config.modules.edged.image_gc_high_threshold)


def _look_inodes(case: Case) -> Verdict:
    return judge_inodes(_spaces(case))


def _look_writable(case: Case) -> Verdict:
    trouble = ""
    if case.board.is_root() and case.agent() and case.config.modules.local_api.enable:
        try:
            trouble = str(case.status().get("storeTrouble") or "")
        except EdgeCoreError:
            trouble = ""  # told by local-socket
    return judge_writable(_spaces(case), trouble)


def _look_cards(case: Case) -> Verdict:
    board = case.board
    cards = []
    for place in board.find("/sys/block/mmcblk*/device"):
        life = tuple(int(word, 16) for word in board.text(f"{place}/life_time").split() if word.startswith("0x"))
        spare = board.text(f"{place}/pre_eol_info")
        kind, name, made = (board.text(f"{place}/{fact}") for fact in ("type", "name", "date"))
        cards.append(Card(place.split("/")[3], kind, name, made, life, int(spare, 16) if spare.startswith("0x") else 0))
    return judge_cards(cards)


def _look_disk_errors(case: Case) -> Verdict:
    counts = {path.split("/")[4]: case.board.text(path) for path in case.board.find("/sys/fs/ext4/*/errors_count")}
    signs = ("EXT4-fs error", "I/O error", "Remounting filesystem read-only", "mmc0: error", "mmc1: error", "Card stuck")
    lines = [line for line in case.kernel_log() if any(sign in line for sign in signs)]
    return judge_disk_errors({device: int(text) for device, text in counts.items() if text.isdecimal()}, lines)


def _look_speed(case: Case) -> Verdict:
    folder = str(Path(case.config.database.data_source).parent)
    if not case.board.exists(folder):
        return skipped(f"{folder} does not exist yet")
    space = case.board.space(folder)
    if space is not None and (space.readonly or space.available < 32 * MB):
        return skipped("there is no room to measure in: see disk-space")
    return judge_speed(case.board.speed(folder))


def _look_journal(case: Case) -> Verdict:
    return judge_journal(case.board.size(_JOURNAL), on_flash=_on_flash(case))


def _on_flash(case: Case) -> bool:
    """Whether the root of the board lies on an SD card or eMMC."""
    mounts = (line.split() for line in case.board.text("/proc/mounts").splitlines())
    sources = [fields[0] for fields in mounts if len(fields) > 1 and fields[1] == "/"]
    return any(mark in source for source in sources for mark in _FLASH)


def _look_swap(case: Case) -> Verdict:
    lines = [line.split() for line in case.board.text("/proc/swaps").splitlines()[1:]]
    root = _on_flash(case)
    return judge_swap([f[0] for f in lines if len(f) > 1 and (any(mark in f[0] for mark in _FLASH) or (f[1] == "file" and root))])


def _look_memory(case: Case) -> Verdict:
    counters = dict(line.split(" ", 1) for line in case.board.text("/proc/vmstat").splitlines() if " " in line)
    return judge_memory(case.machine(), int(counters.get("oom_kill", "0")))


CHECKS = (
    Check(
        "disk-space",
        Group.STORAGE,
        "more than 5 % of each disk that pods or EdgeCore write to is free",
        "Under 5 % the Node says DiskPressure, pods that fill the disk are evicted, and at the end nothing can be saved.",
        _look_space,
    ),
    Check("inodes", Group.STORAGE, "files can still be made", "A disk with room and without inodes is full all the same.", _look_inodes),
    Check(
        "disk-writable",
        Group.STORAGE,
        "no disk is read-only and EdgeCore can save",
        "What the cloud says is refused until it can be saved. Nothing is lost: the cloud says it again.",
        _look_writable,
        limit=15.0,
    ),
    Check(
        "sd-life",
        Group.STORAGE,
        "how much of its life a card or eMMC has used, where it tells",
        "A worn card becomes read-only or loses what was written, mostly at a power cut.",
        _look_cards,
    ),
    Check(
        "disk-errors",
        Group.STORAGE,
        "neither ext4 nor the kernel has seen errors of a disk",
        "A card that fails begins with single errors.",
        _look_disk_errors,
        root=True,
    ),
    Check(
        "disk-speed",
        Group.STORAGE,
        "how long a commit takes, measured (writes 4 MB)",
        "Every acknowledged message waits for one commit.",
        _look_speed,
        limit=60.0,
        root=True,
        alone=True,
    ),
    Check(
        "journal",
        Group.STORAGE,
        "the system's journal does not fill the card",
        "Logs are what wears a card most.",
        _look_journal,
        root=True,
    ),
    Check("swap", Group.STORAGE, "no swap on a card", "Swapping wears a card out within months and makes the board crawl.", _look_swap),
    Check(
        "memory",
        Group.STORAGE,
        "memory is left, and nothing was ended for the lack of it",
        "When memory runs out pods are evicted, or the kernel ends what it likes.",
        _look_memory,
    ),
)
