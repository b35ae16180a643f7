"""From the files of a board to a verdict, and what ``--fix`` does: on boards that are folders."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecore.doctor import network
from edgecore.doctor.board import NeedsRoot, Ran, TookTooLong
from edgecore.doctor.case import Case
from edgecore.doctor.catalog import CHECKS
from edgecore.doctor.checks.config import expiry_of
from edgecore.doctor.examine import Result, examine, fix
from edgecore.doctor.network import listeners
from edgecore.doctor.verdict import Outcome
from edgecore.errors import EdgeCoreError
from tests.fakes.board import CONFIG, FakeBoard, case_of

PACKAGING = Path(__file__).parents[4] / "packaging"
TOKEN = "a" * 64 + ".h." + base64.urlsafe_b64encode(json.dumps({"exp": 1_900_000_000}).encode()).decode().rstrip("=") + ".s"


def look(case: Case, name: str) -> Result:
    return examine([check for check in CHECKS if check.id == name], case)[0]


def mended(case: Case, name: str) -> Result:
    found = look(case, name)
    assert found.verdict.fixable, found.verdict
    return fix([found], case)[0]


@pytest.fixture
def board(tmp_path: Path) -> FakeBoard:
    return FakeBoard(tmp_path)


@pytest.mark.parametrize(
    ("name", "files", "outcome", "words"),
    [
        ("under-voltage", {"/sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n"}, Outcome.WRONG, "now"),
        (
            "throttling",
            {"/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "0xe0000\n"},
            Outcome.WARNING,
            "since boot",
        ),
        (
            "under-voltage",
            {"/sys/class/hwmon/hwmon1/name": "rpi_volt\n", "/sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n"},
            Outcome.WRONG,
            "now",
        ),
        ("temperature", {"/sys/class/thermal/thermal_zone0/temp": "81200\n"}, Outcome.WARNING, "81 °C"),
        (
            "sd-life",
            {
                "/sys/block/mmcblk0/device/type": "MMC\n",
                "/sys/block/mmcblk0/device/life_time": "0x0b 0x02\n",
                "/sys/block/mmcblk0/device/pre_eol_info": "0x01\n",
            },
            Outcome.WRONG,
            "mmcblk0",
        ),
        ("sd-life", {"/sys/block/mmcblk0/device/type": "SD", "/sys/block/mmcblk0/device/name": "SC32G"}, Outcome.OK, "SD SC32G"),
        ("disk-errors", {"/sys/fs/ext4/mmcblk0p2/errors_count": "7\n"}, Outcome.WRONG, "mmcblk0p2: 7"),
        (
            "swap",
            {"/proc/swaps": "Filename Type\n/var/swap file 100 0 -2\n", "/proc/mounts": "/dev/mmcblk0p2 / ext4 rw 0 0\n"},
            Outcome.WARNING,
            "/var/swap",
        ),
        ("swap", {"/proc/swaps": "Filename Type\n/dev/zram0 partition 100 0 100\n"}, Outcome.OK, "no swap"),
        (
            "memory",
            {"/proc/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 900000 kB\n", "/proc/vmstat": "oom_kill 2\n"},
            Outcome.WARNING,
            "2 processes",
        ),
        ("cgroup-memory", {"/sys/fs/cgroup/cgroup.controllers": "cpu io pids\n"}, Outcome.WRONG, "no memory cgroup"),
        ("cgroup-memory", {"/sys/fs/cgroup/cgroup.controllers": "cpu memory\n"}, Outcome.OK, "keeps"),
        ("reboot", {"/lib/modules/6.12.1-v8/modules.dep": "x", "/proc/modules": "veth 1 0 - Live"}, Outcome.WRONG, "6.6.51-v8 are gone"),
        ("reboot", {"/run/reboot-required": ""}, Outcome.WARNING, "waits"),
        (
            "kernel-modules",
            {"/lib/modules/6.6.51-v8/modules.dep": "kernel/net/bridge/bridge.ko.xz: \nkernel/drivers/net/veth.ko.xz: \n"},
            Outcome.WRONG,
            "nf_tables or ip_tables, overlay",
        ),
        (
            "kernel-modules",
            {
                "/lib/modules/6.6.51-v8/modules.dep": "a/bridge.ko.xz: x\na/b/veth.ko.xz:\na/nf_tables.ko:\n",
                "/lib/modules/6.6.51-v8/modules.builtin": "kernel/fs/overlayfs/overlay.ko\n",
            },
            Outcome.OK,
            "are there",
        ),
        ("kubelet", {}, Outcome.OK, "no kubelet"),
        ("clock-source", {"/proc/12/comm": "systemd-timesyn\n", "/sys/class/rtc/rtc0": ""}, Outcome.OK, "with a battery"),
        ("database-aside", {"/var/lib/bramble/edgecore.db.corrupt": "x"}, Outcome.WARNING, "put aside"),
        ("static-pods", {"/etc/bramble/manifests/a.yaml": "kind: Pod\nmetadata: [\n"}, Outcome.WRONG, "/etc/bramble/manifests/a.yaml"),
        ("static-pods", {"/etc/bramble/manifests/.a.yaml.swp": "nonsense: ["}, Outcome.OK, "no pods"),
        (
            "serial-console",
            {
                "/proc/cmdline": "console=serial0,115200 root=/dev/x",
                "/etc/systemd/system/multi-user.target.wants/bramble-mapper@modbus.service": "",
            },
            Outcome.WARNING,
            "serial0",
        ),
        ("i2c", {"/etc/systemd/system/multi-user.target.wants/bramble-mapper@i2c.service": ""}, Outcome.WRONG, "no i2c device"),
        ("dns", {"/etc/resolv.conf": "# none\n"}, Outcome.WARNING, "no DNS server"),
        ("journal", {"/var/log/journal/x": "y"}, Outcome.OK, "0 MB"),
    ],
)
def test_what_a_board_says_of_itself(board: FakeBoard, name: str, files: dict[str, str], outcome: Outcome, words: str) -> None:
    found = look(case_of(board.lay(files)), name)
    assert (found.verdict.outcome, words in found.verdict.text) == (outcome, True), found.verdict


def test_vcgencmd_is_asked_where_the_kernel_does_not_tell(board: FakeBoard) -> None:
    board.programs["vcgencmd get_throttled"] = "throttled=0x50000"
    assert look(case_of(board), "under-voltage").verdict.outcome is Outcome.WARNING


def test_a_raspberry_pi_without_memory_cgroup_is_mended_for_the_next_boot(board: FakeBoard) -> None:
    script = "/usr/libexec/bramble/memory-cgroup"
    board.lay({"/proc/device-tree/model": "Raspberry Pi 4 Model B\0", "/boot/firmware/cmdline.txt": "root=/dev/x rootwait\n", script: ""})
    shutil.copy(PACKAGING / "debian/memory-cgroup", board.place(script))
    after = mended(case_of(board), "cgroup-memory")
    assert board.place("/boot/firmware/cmdline.txt").read_text() == "root=/dev/x rootwait cgroup_enable=memory\n"
    assert "after the next reboot" in after.fixed
    assert after.verdict.mend == "reboot"
    assert not after.verdict.fixable


def test_another_board_is_told_and_left_alone(board: FakeBoard) -> None:
    board.lay({"/proc/device-tree/model": "Pine64", "/boot/cmdline.txt": "root=/dev/x\n", "/usr/libexec/bramble/memory-cgroup": ""})
    verdict = look(case_of(board), "cgroup-memory").verdict
    assert (verdict.outcome, verdict.fixable) == (Outcome.WRONG, False)


def test_files_with_secrets_are_closed(board: FakeBoard) -> None:
    paths = ("/etc/kubeedge/certs/edge.key", "/var/lib/bramble/edgecore.db", "/var/lib/bramble/edgecore.db-wal")
    board.lay(dict.fromkeys(paths, "x"))
    for path, mode in zip(paths, (0o644, 0o660, 0o600), strict=True):
        board.place(path).chmod(mode)
    case = case_of(board, "modules: {eventbus: {mqttPassword: hunter22}}\n")
    board.place(CONFIG).chmod(0o644)
    after = mended(case, "secret-files")
    assert after.verdict.outcome is Outcome.OK
    assert {board.place(path).stat().st_mode & 0o777 for path in (*paths, str(CONFIG))} == {0o600}


def test_a_config_without_secrets_may_be_read_by_all(board: FakeBoard) -> None:
    case = case_of(board, "")
    board.place(CONFIG).chmod(0o644)
    assert look(case, "secret-files").verdict.outcome is Outcome.SKIPPED


def test_a_token_that_has_done_its_work_is_taken_out_and_the_rest_of_the_file_stays(board: FakeBoard) -> None:
    board.lay({"/etc/kubeedge/certs/edge.crt": "x"})
    case = case_of(board, f"# mine\nmodules:\n  edgehub:\n    token: {TOKEN}\n    heartbeat: 20  # slow\n")
    board.place(CONFIG).chmod(0o600)
    after = mended(case, "token")
    text = board.place(CONFIG).read_text()
    assert after.verdict.outcome is Outcome.OK
    assert "# mine" in text and "heartbeat: 20  # slow" in text and TOKEN not in text
    assert board.place(CONFIG).stat().st_mode & 0o777 == 0o600


def test_when_a_token_ends_is_read_from_it() -> None:
    assert expiry_of(TOKEN) == 1_900_000_000
    assert expiry_of("a" * 64 + ".b.c.d") is None
    assert expiry_of("nonsense") is None


def test_a_radio_that_is_blocked_is_unblocked(board: FakeBoard) -> None:
    board.lay({"/sys/class/rfkill/rfkill0/type": "bluetooth", "/sys/class/rfkill/rfkill0/soft": "1", "/sys/class/rfkill/rfkill0/hard": "0"})
    board.lay({"/sys/class/rfkill/rfkill1/type": "wlan", "/sys/class/rfkill/rfkill1/soft": "1", "/sys/class/bluetooth/hci0/x": ""})
    board.lay({"/proc/9/comm": "bluetoothd"})
    assert mended(case_of(board), "bluetooth").verdict.outcome is Outcome.OK
    assert board.text("/sys/class/rfkill/rfkill1/soft") == "1"


def test_the_mappers_user_is_put_into_the_group(board: FakeBoard) -> None:
    board.lay({"/dev/i2c-1": "", "/etc/passwd": "bramble-mapper:x:990:990::/:/usr/sbin/nologin\n", "/etc/group": "i2c:x:998:pi\n"})
    board.programs["usermod -a -G i2c bramble-mapper"] = ""
    found = mended(case_of(board), "i2c")
    assert "usermod -a -G i2c bramble-mapper" in board.ran
    assert found.fixed


def test_a_repair_that_fails_is_told_and_the_verdict_stays(board: FakeBoard) -> None:
    board.lay({"/dev/i2c-1": "", "/etc/passwd": "bramble-mapper:x:990:990::/:\n", "/etc/group": "i2c:x:998:\n"})
    found = mended(case_of(board), "i2c")
    assert (found.verdict.outcome, found.fixed) == (Outcome.WARNING, "")
    assert "No such file" in found.not_fixed


def test_what_a_killed_edgecore_left_is_ended(board: FakeBoard) -> None:
    """A process that says the words of a broker of this very folder."""
    case = case_of(board, "")
    conf = board.place("/var/lib/bramble/broker/mosquitto.conf")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "-c", str(conf)])
    try:
        (board.root / "proc").symlink_to("/proc")
        deadline = time.monotonic() + 10
        while look(case, "leftover-programs").verdict.outcome is not Outcome.WARNING and time.monotonic() < deadline:
            time.sleep(0.05)
        after = mended(case, "leftover-programs")
        assert after.verdict.outcome is Outcome.OK
        assert child.wait(10) != 0
    finally:
        child.kill()
        child.wait()


def test_podman_is_asked_as_root_alone(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path, is_root=False, programs={"podman info --format json": "{}"})
    found = look(case_of(board, ""), "podman-storage")
    assert (found.verdict.outcome, found.verdict.needs_root) == (Outcome.SKIPPED, True)


def test_leftover_containers_are_told_by_their_instance(board: FakeBoard) -> None:
    entries = [
        {"Names": ["old"], "Labels": {"io.bramble.instance": "abc"}},
        {"Names": ["old-infra"], "IsInfra": True, "Labels": {"io.bramble.instance": "abc"}},
    ]
    board.programs["podman ps -a --filter label=io.bramble.managed=true --format json"] = json.dumps(entries)
    assert "1 containers are of another EdgeCore (abc)" in look(case_of(board), "leftover-containers").verdict.text


def test_a_podman_that_does_not_run_is_not_taken_for_a_missing_one(tmp_path: Path) -> None:
    """Without root Podman may refuse even to say its version."""
    programs = {"podman info": ""}
    root = look(case_of(FakeBoard(tmp_path, programs=programs)), "podman").verdict
    other = look(case_of(FakeBoard(tmp_path, programs=programs, is_root=False)), "podman").verdict
    assert (root.outcome, "cannot be run" in root.text) == (Outcome.WRONG, True)
    assert other.needs_root


def test_a_podman_that_fails_is_wrong_and_not_unknown(board: FakeBoard) -> None:
    board.programs["podman --version"] = "podman version 4.3.1"
    found = look(case_of(board), "podman-storage")
    assert found.verdict.outcome is Outcome.WRONG


def test_a_podman_that_hangs_is_wrong_and_not_unknown(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*words: str, **_: object) -> Ran:
        raise TookTooLong(f"{' '.join(words)}: not done within 20 s")

    board.programs["podman --version"] = "podman version 4.3.1"
    monkeypatch.setattr(board, "run", hang)
    found = look(case_of(board), "podman-storage")
    assert (found.verdict.outcome, "not done within 20 s" in found.verdict.text) == (Outcome.WRONG, True)


def test_a_name_is_asked_for_once_by_all(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nowhere(host: str) -> list[str]:
        asked.append(host)
        raise EdgeCoreError("Temporary failure in name resolution")

    monkeypatch.setattr(network, "addresses_of", nowhere)
    case = case_of(board, "modules: {edgehub: {websocket: {server: cloud.example:10000}}}\n")
    found = examine([check for check in CHECKS if check.id in ("dns", "cloud-reach", "cloud-enrolment", "cloud-tls")], case)
    assert [result.verdict.outcome for result in found] == [Outcome.WRONG, *[Outcome.SKIPPED] * 3]
    assert asked == ["cloud.example"]


def test_a_wrong_config_is_told_and_the_other_checks_use_the_defaults(board: FakeBoard) -> None:
    case = case_of(board, "modules: {edgehub: {heartbeat: fast}}\n")
    assert "modules.edgehub.heartbeat" in look(case, "config").verdict.text
    assert look(case, "identity").verdict.outcome is Outcome.SKIPPED


def test_who_listens_is_read_from_the_kernels_tables(board: FakeBoard) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    line = "   0: {} 00000000:0000 {} 00000000:00000000 00:00000000 00000000     0        0 {} 1 0 100 0 0 10 0\n"
    board.lay({"/proc/net/tcp": head + line.format("0100007F:075B", "0A", 77) + line.format("0100007F:1F90", "01", 78)})
    board.lay({"/proc/net/tcp6": head + line.format("00000000000000000000000000000000:2873", "0A", 79), "/proc/50/comm": "mosquitto"})
    board.place("/proc/50/fd").mkdir()
    os.symlink("socket:[77]", board.place("/proc/50/fd/5"))
    found = {(entry.address, entry.port, entry.pid, entry.program, entry.only_here) for entry in listeners(board)}
    assert found == {("127.0.0.1", 1883, 50, "mosquitto", True), ("::", 10355, 0, "", False)}


def test_what_only_root_may_read_is_said(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(NeedsRoot, match=r"/etc/kubeedge/certs/edge\.key"):
        board.text("/etc/kubeedge/certs/edge.key")


def test_an_update_that_could_not_be_undone_is_told_with_the_packages_to_install(tmp_path: Path) -> None:
    said = "bramble-common\t2\tii \nbramble-edgecore\t2\tiF \nbramble-mappers\t\tun \n"
    board = FakeBoard(tmp_path, programs={"dpkg-query -W -f ${Package}\t${Version}\t${db:Status-Abbrev}\n bramble-*": said})
    assert look(case_of(board), "update").verdict.outcome is Outcome.SKIPPED
    result = {"order": "by hand 1", "state": "RollbackFailed", "reason": "dpkg: error", "was": "1", "version": "2", "ended": 1_700_000_000}
    board.lay({"/var/lib/bramble/updates/results.json": json.dumps([result])})
    verdict = look(case_of(board), "update").verdict
    assert (verdict.outcome, "bramble-edgecore 2 (iF)" in verdict.text) == (Outcome.WRONG, True)
    assert verdict.mend.startswith("apt install --reinstall")
    board.lay({"/var/lib/bramble/updates/present/bramble-edgecore_1.deb": ""})
    assert look(case_of(board), "update").verdict.mend.startswith("dpkg --install /var/lib/bramble/updates/present/*.deb")


def test_speed_is_measured_and_nothing_is_left(board: FakeBoard) -> None:
    speed = board.speed("/")
    assert speed.small > 0 and speed.large > 0
    assert list(board.root.iterdir()) == []
