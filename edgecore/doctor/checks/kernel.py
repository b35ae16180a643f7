"""What containers need of the kernel."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edgecore.containers.engine_choice import Cgroups, MachineFacts, missing_controllers
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, warning, wrong
from edgecore.errors import EdgeCoreError

MEMORY_SWITCH = "cgroup_enable=memory"
_SCRIPT = "/usr/libexec/bramble/memory-cgroup"
_CMDLINES = ("/boot/firmware/cmdline.txt", "/boot/cmdline.txt")
_NEEDED = ("overlay", "veth", "bridge")
_NAT = ("nf_tables", "ip_tables")


def judge_memory_cgroup(facts: MachineFacts, *, switched_on: bool, fixable: bool) -> Verdict:
    """``switched_on``: the kernel's line of the next boot has the switch."""
    trouble = missing_controllers(facts).get("memory")
    if trouble is None:
        return ok("the kernel keeps memory limits")
    if switched_on:
        return wrong(f"{trouble}; it is there already and holds after a reboot", "reboot")
    return wrong(trouble, f"add {MEMORY_SWITCH} to the one line of {_CMDLINES[0]}, then reboot", fixable=fixable)


def judge_cpu_cgroup(facts: MachineFacts) -> Verdict:
    trouble = missing_controllers(facts).get("cpu")
    return ok("the kernel keeps CPU limits") if trouble is None else warning(trouble, "use a kernel with CONFIG_CFS_BANDWIDTH")


def judge_cgroup_mode(facts: MachineFacts) -> Verdict:
    if facts.cgroups is Cgroups.V2:
        return ok("cgroups v2")
    if facts.cgroups is Cgroups.HYBRID and "runc" not in facts.oci_runtimes:
        return wrong("cgroups are in hybrid mode, which crun refuses", "apt install runc, or boot with systemd.unified_cgroup_hierarchy=1")
    return warning(f"cgroups {facts.cgroups}, which Podman deprecates from 5 on", "boot with systemd.unified_cgroup_hierarchy=1")


def judge_modules(absent: Collection[str], *, known: bool) -> Verdict:
    """``absent``: what this kernel neither has nor can load; ``known``: that can be told."""
    if not known:
        return ok("this kernel has no modules to look for; what it has built in is used")
    if absent:
        return wrong(
            f"the kernel lacks {', '.join(sorted(absent))}", "use the distribution's kernel: apt install --reinstall its linux-image"
        )
    return ok(f"{', '.join(_NEEDED)} and {' or '.join(_NAT)} are there")


def judge_reboot(kernel: str, installed: Sequence[str], *, required: bool) -> Verdict:
    """``installed``: kernels whose modules are on the disk."""
    if installed and kernel not in installed:
        return wrong(f"the modules of the running kernel {kernel} are gone (installed: {', '.join(installed)})", "reboot")
    if required:
        return warning("an update of the system waits for a reboot", "reboot when it suits; pods come back by themselves, also offline")
    return ok("no reboot is owed")


def is_absent(name: str, *, loaded: Collection[str], builtin: Collection[str], loadable: Collection[str]) -> bool:
    return name not in loaded and name not in builtin and name not in loadable


def _look_memory_cgroup(case: Case) -> Verdict:
    line = _cmdline(case)
    is_pi = "Raspberry Pi" in case.board.text("/proc/device-tree/model")
    fixable = is_pi and bool(line) and case.board.exists(_SCRIPT)
    switched_on = MEMORY_SWITCH in (case.board.text(line) if line else "")
    return judge_memory_cgroup(case.engine_facts(), switched_on=switched_on, fixable=fixable)


def _repair_memory_cgroup(case: Case) -> str:
    """The package's own script: it edits the line so that a power cut leaves the old one or the new one."""
    root = "" if str(case.board.root) == "/" else str(case.board.root)
    ran = case.board.run(str(case.board.place(_SCRIPT)), root)
    if ran.code:
        raise EdgeCoreError(f"{_SCRIPT}: {ran.error or ran.output}")
    return ran.output or f"{MEMORY_SWITCH} is there"


def _cmdline(case: Case) -> str:
    return next((path for path in _CMDLINES if case.board.exists(path)), "")


def _look_modules(case: Case) -> Verdict:
    board = case.board
    folder = f"/lib/modules/{board.kernel()}"
    if not board.exists(folder):
        return judge_modules((), known=False)
    loaded = {line.split()[0] for line in board.text("/proc/modules").splitlines()} | set(board.text("/proc/filesystems").split())
    listed = {name: {_name(line) for line in board.text(f"{folder}/{name}").splitlines()} for name in ("modules.builtin", "modules.dep")}
    places = {"loaded": loaded, "builtin": listed["modules.builtin"], "loadable": listed["modules.dep"]}
    absent = [name for name in _NEEDED if is_absent(name, **places)]
    nat = all(is_absent(name, **places) for name in _NAT)
    return judge_modules([*absent, *([" or ".join(_NAT)] if nat else [])], known=True)


def _name(line: str) -> str:
    """``kernel/fs/overlayfs/overlay.ko.xz: …`` to ``overlay``."""
    return line.partition(":")[0].rsplit("/", 1)[-1].partition(".")[0].replace("-", "_")


def _look_reboot(case: Case) -> Verdict:
    board = case.board
    installed = [path.rsplit("/", 1)[-1] for path in board.find("/lib/modules/*") if board.exists(f"{path}/modules.dep")]
    has_modules = bool(board.text("/proc/modules"))
    required = any(board.exists(path) for path in ("/run/reboot-required", "/var/run/reboot-required"))
    return judge_reboot(board.kernel(), installed if has_modules else [], required=required)


def _look_cpu_cgroup(case: Case) -> Verdict:
    return judge_cpu_cgroup(case.engine_facts())


def _look_cgroup_mode(case: Case) -> Verdict:
    return judge_cgroup_mode(case.engine_facts())


def judge_architecture(machine: str, bits: str) -> Verdict:
    if bits == "32bit" and machine in ("aarch64", "x86_64"):
        return warning(
            f"32-bit programs on a 64-bit kernel ({machine}): images are chosen for arm64, and may not be what runs here",
            "use a 64-bit system",
        )
    return ok(f"{machine}, {bits}")


def _look_architecture(case: Case) -> Verdict:
    return judge_architecture(*case.board.word_size())


CHECKS = (
    Check(
        "cgroup-memory",
        Group.KERNEL,
        "the kernel keeps memory limits",
        "Without them limits of pods are left out, and one pod can take all memory. A Raspberry Pi's firmware turns them off.",
        _look_memory_cgroup,
        repair=_repair_memory_cgroup,
        repairs=f"adds {MEMORY_SWITCH} to the kernel's line on a Raspberry Pi; holds after a reboot",
    ),
    Check("cgroup-cpu", Group.KERNEL, "the kernel keeps CPU limits", "Without them CPU limits of pods are left out.", _look_cpu_cgroup),
    Check(
        "cgroup-mode",
        Group.KERNEL,
        "the kernel's cgroups are those that Podman's runtime can use",
        "Containers do not start where runtime and mode do not fit.",
        _look_cgroup_mode,
    ),
    Check(
        "kernel-modules",
        Group.KERNEL,
        "the kernel has what containers and their network need",
        "Without overlay images are copied whole, without veth, bridge and NAT pods have no network.",
        _look_modules,
    ),
    Check(
        "reboot",
        Group.KERNEL,
        "no reboot is owed after an update",
        "After an update of the kernel the running one finds no module any more: a USB adapter or a pod's network may fail.",
        _look_reboot,
    ),
    Check(
        "architecture",
        Group.KERNEL,
        "programs and kernel are of one word size",
        "Podman pulls images by the kernel's, which 32-bit programs may not fit.",
        _look_architecture,
    ),
)
