"""``make image ARCH=arm64``: the image of an SD card, without a mount of it and without a loop device. Root, Debian, a quarter of an hour.

Foreign programs run under qemu's user emulation. Nothing of a settings file or a package's name reaches a shell.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from images.sdcard import recipe, sbom
from images.sdcard.recipe import ARCHES, Arch

TOP = Path(__file__).parents[2]
FILES = Path(__file__).parent / "files"
OUT = TOP / "dist" / "images"

_TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "arch-test": "arch-test",
    "qemu-aarch64-static": "qemu-user-static",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "xz": "xz-utils",
}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_INSIDE = "BRAMBLE_IMAGE_INSIDE"
_EARLY = ("etc/default", "etc/dpkg", "etc/initramfs-tools")
"""What packages read while they are configured: the root in the kernel's line, what is left out, how the initrd is packed."""
_SECRETIVE = {"etc/sudoers.d/bramble": 0o440}
_LEFT_OVER = (
    *("var/lib/apt/lists/*", "var/cache/apt/*.bin", "var/cache/apt/archives/*.deb", "var/cache/debconf/*-old", "var/lib/dpkg/*-old"),
    *("var/log/*.log", "var/log/apt/*", "var/log/journal/*", "var/cache/ldconfig/aux-cache", "var/lib/systemd/random-seed"),
    *("etc/ssh/ssh_host_*", "etc/apt/sources.list", "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "tmp/*", "root/.bash_history", "etc/*-"),
)


class Failed(Exception):
    """A step that did not succeed; the text says which and shows the end of what it printed."""


def main() -> int:
    args = _parser().parse_args()
    if os.geteuid() != 0:
        print("image: this needs root", file=sys.stderr)
        return 1
    if os.environ.get(_INSIDE) != "1":
        # What is mounted on the way goes with this process, however it ends.
        os.environ[_INSIDE] = "1"
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "images.sdcard.build", *sys.argv[1:]]
        os.execvp(command[0], command)
    try:
        _build(ARCHES[args.arch], args)
    except Failed as exc:
        print(f"image: {exc}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="make image", description="Build the image of an SD card.")
    found.add_argument("arch", choices=sorted(ARCHES))
    found.add_argument("--mirror", default="", help="of Debian, or of a snapshot of it (default: this machine's)")
    found.add_argument("--security-mirror", default="", help="default: debian-security beside the mirror")
    found.add_argument("--suite-only", action="store_true", help="without updates and security fixes: for a mirror that lacks them")
    found.add_argument("--packages", type=Path, help="folder of our packages (default: they are built)")
    found.add_argument("--base", type=Path, help="archive of Debian's part: used where it is there, else kept there")
    found.add_argument("--fast", action="store_true", help="compress little: for trials")
    return found


def _build(arch: Arch, args: argparse.Namespace) -> None:
    _tools()
    _emulation(arch)
    version = _version()
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _commit_time())
    os.environ.update(
        SOURCE_DATE_EPOCH=str(epoch), E2FSPROGS_FAKE_TIME=str(epoch), DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8", TZ="UTC"
    )
    os.umask(0o022)
    OUT.mkdir(parents=True, exist_ok=True)
    name = f"bramble-{version}-{arch.debian}"
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=OUT) as place:
        work = Path(place)
        packages = args.packages or _own_packages(work)
        tree = work / "tree"
        _base(arch, args, tree, work)
        _finish(arch, tree, packages)
        status, carried = (tree / "var/lib/dpkg/status").read_text(), (TOP / "packaging/debian/carried.txt").read_text()
        serial = recipe.identity(arch, version, epoch)
        bill = sbom.bill(name, version, status, carried, arch=arch.debian, serial=serial, epoch=epoch)
        (OUT / f"{name}.cdx.json").write_text(bill)
        _settle_times(tree, epoch)
        image = work / f"{name}.img"
        _assemble(tree, image, recipe.identity(arch, version, epoch).hex, epoch, work)
        _say(f"packing {image.stat().st_size >> 20} MB")
        _run("xz", "-T0", "-1" if args.fast else "-6", image)
        packed = OUT / f"{name}.img.xz"
        os.replace(image.with_name(packed.name), packed)
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    (OUT / f"{name}.img.xz.sha256").write_text(f"{digest}  {packed.name}\n")
    _say(f"{packed} {packed.stat().st_size >> 20} MB, for {arch.boards}")


def _tools() -> None:
    missing = sorted({package for program, package in _TOOLS.items() if shutil.which(program) is None})
    if missing:
        _say(f"installing {' '.join(missing)}")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env={"DEBIAN_FRONTEND": "noninteractive"})


def _emulation(arch: Arch) -> None:
    """The kernel runs the boards' programs by qemu; where systemd has not told it so, this does."""
    if _emulates(arch):
        return
    if not (_BINFMT / "register").exists():
        _run("mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT)
    if not (_BINFMT / arch.interpreter).exists():
        try:
            (_BINFMT / "register").write_bytes(Path(f"/usr/lib/binfmt.d/{arch.interpreter}.conf").read_bytes().strip())
        except OSError as exc:
            raise Failed(f"the kernel does not take {arch.interpreter} as an interpreter: {exc}") from exc
    if not _emulates(arch):
        raise Failed(f"programs for {arch.debian} do not run here: is qemu-user-static installed and binfmt_misc allowed?")


def _emulates(arch: Arch) -> bool:
    return subprocess.run(["arch-test", arch.debian], capture_output=True, check=False).returncode == 0


def _own_packages(work: Path) -> Path:
    _say("building our packages")
    _run(TOP / "packaging" / "deb.sh")
    folder = work / "packages"
    folder.mkdir()
    for package in (TOP / "dist").glob("bramble-*.deb"):
        shutil.copy2(package, folder)
    return folder


def _base(arch: Arch, args: argparse.Namespace, tree: Path, work: Path) -> None:
    """Debian's part, laid into ``tree``."""
    kept: Path = args.base or work / "base.tar"
    if not kept.exists():
        mirror = args.mirror or default_mirror()
        security = args.security_mirror or recipe.security_mirror(mirror)
        wanted = recipe.packages(arch, (TOP / "packaging/debian/control").read_text())
        _say(f"Debian {recipe.SUITE} for {arch.debian}: {len(wanted)} packages and what they need")
        unfinished = kept.with_name(kept.name + ".unfinished")
        early = " ".join(shlex.quote(str(FILES / name)) for name in _EARLY)
        _run(
            *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", f"--architectures={arch.debian}"),
            f"--include={','.join(wanted)}",
            "--dpkgopt=force-confold",
            f"--essential-hook=copy-in {early} /etc",
            '--essential-hook=mkdir -p "$1"/boot/firmware',
            *(recipe.SUITE, str(unfinished), *recipe.sources(mirror, "" if args.suite_only else security)),
        )
        os.replace(unfinished, kept)
    tree.mkdir(mode=0o755)
    _run("tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-x", "-f", kept, "-C", tree)


def _finish(arch: Arch, tree: Path, packages: Path) -> None:
    """Our packages and files, services, the user; and nothing that boards must not have in common."""
    _say("our packages and files")
    for path in (tree / "etc/apt").glob("sources.list*/*"):
        path.unlink()
    _lay_files(tree)
    with _running(tree):
        inside = tree / "tmp"
        names = [_only(packages, f"{name}_*.deb") for name in recipe.OURS]
        for package in names:
            shutil.copy(package, inside)
        _chroot(tree, "dpkg", "--install", *(f"/tmp/{package.name}" for package in names))
        audit = _chroot(tree, "dpkg", "--audit")
        if audit:
            raise Failed(f"dpkg is not content: {audit}")
        _say(f"runs under emulation: {_chroot(tree, 'edgecore', '--version').strip()}")
        _chroot(tree, "edgecore", "firstboot", "--help")
        groups = ",".join(recipe.GROUPS)
        _chroot(tree, "useradd", "--create-home", "--shell", "/bin/bash", "--groups", groups, recipe.USER)
        _chroot(tree, "systemctl", "enable", *recipe.ENABLED)
        _chroot(tree, "systemctl", "disable", *recipe.DISABLED)
        _chroot(tree, "systemctl", "mask", *recipe.MASKED)
        _lay_firmware(arch, tree)
    for pattern in _LEFT_OVER:
        for path in tree.glob(pattern):
            _remove(path)
    (tree / "etc/machine-id").write_text("")
    (tree / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    (tree / "etc/hostname").write_text("bramble\n")
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    (tree / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    # A board without a clock begins at this time (systemd-timesyncd).
    clock = tree / "var/lib/systemd/timesync/clock"
    clock.parent.mkdir(parents=True, exist_ok=True)
    clock.touch()


def _lay_files(tree: Path) -> None:
    _run("cp", "--recursive", "--no-preserve=ownership", "--preserve=mode", f"{FILES}/.", tree)
    for path in FILES.rglob("*"):
        place = tree / path.relative_to(FILES)
        executable = path.is_dir() or os.access(path, os.X_OK)
        place.chmod(_SECRETIVE.get(str(path.relative_to(FILES)), 0o755 if executable else 0o644))
        os.chown(place, 0, 0)


def _lay_firmware(arch: Arch, tree: Path) -> None:
    """Kernel, initrd, device trees, config.txt and cmdline.txt as a later kernel's installation writes them."""
    firmware = tree / "boot/firmware"
    wanted = ["vmlinuz-*", "initrd.img-*"]
    if arch.firmware:
        wanted += ["bcm*.dtb", "start*.elf"]
        _chroot(tree, "env", "DEB_MAINT_PARAMS=configure", "/etc/kernel/postinst.d/z50-raspi-firmware")
    else:
        for path in (*tree.glob("boot/vmlinuz-*"), *tree.glob("boot/initrd.img-*")):
            shutil.copy2(path, firmware)
        more = (FILES / "etc/default/raspi-extra-cmdline").read_text().strip()
        (firmware / "cmdline.txt").write_text(f"root=LABEL=rootfs rw net.ifnames=0 rootwait {more}\n")
    for pattern in wanted:
        if not list(firmware.glob(pattern)):
            raise Failed(f"there is no {pattern} for the FAT partition")
    line = (tree / "boot/firmware/cmdline.txt").read_text()
    if "root=LABEL=rootfs" not in line or "cgroup_enable=memory" not in line:
        raise Failed(f"cmdline.txt is not as it should be: {line}")


@contextmanager
def _running(tree: Path) -> Iterator[None]:
    """What programs in ``tree`` need of a kernel; no service is started in it."""
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    _run("mount", "-t", "proc", "proc", tree / "proc")
    try:
        yield
    finally:
        _run("umount", tree / "proc")
        policy.unlink()


def _settle_times(tree: Path, epoch: int) -> None:
    """Nothing is younger than the source."""
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files, "."):
            path = os.path.join(folder, name)
            if os.lstat(path).st_mtime > epoch:
                os.utime(path, (epoch, epoch), follow_symlinks=False)


def _assemble(tree: Path, image: Path, identity: str, epoch: int, work: Path) -> None:
    """A boot sector's table, the FAT partition, the root."""
    firmware = work / "firmware"
    shutil.move(tree / "boot/firmware", firmware)
    (tree / "boot/firmware").mkdir()
    os.utime(tree / "boot/firmware", (epoch, epoch))
    os.utime(tree / "boot", (epoch, epoch))
    used = int(_run("du", "--summarize", "--block-size=1", "--apparent-size", tree).split()[0])
    blocks = int(_run("du", "--summarize", "--block-size=1", tree).split()[0])
    root = recipe.root_bytes(max(used, blocks))
    _say(f"an image with a root of {root >> 20} MB")
    with image.open("wb") as file:
        file.truncate(recipe.ROOT_START * recipe.SECTOR + root)
    _run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", image, stdin=recipe.partition_table(root, identity[:8]))
    fat = work / "fat"
    sectors = str(recipe.FIRMWARE_SECTORS // 2)
    _run("mkfs.vfat", "-F", "32", "-n", "FIRMWARE", "--invariant", "-C", fat, sectors)
    for entry in sorted(firmware.iterdir()):
        _run("mcopy", "-s", "-m", "-i", fat, entry, "::")
    _run(
        "dd",
        f"if={fat}",
        f"of={image}",
        "bs=1M",
        f"seek={recipe.FIRMWARE_START * recipe.SECTOR >> 20}",
        "conv=notrunc,sparse",
        "status=none",
    )
    own = f"{identity[:8]}-{identity[8:12]}-{identity[12:16]}-{identity[16:20]}-{identity[20:]}"
    _run(
        *("mke2fs", "-q", "-F", "-t", "ext4", "-L", "rootfs", "-U", own, "-m", "1"),
        *("-E", f"offset={recipe.ROOT_START * recipe.SECTOR},hash_seed={own},lazy_itable_init=0,lazy_journal_init=0"),
        *("-d", tree, image, f"{root >> 10}k"),
    )
    _settle_changes(f"{image}?offset={recipe.ROOT_START * recipe.SECTOR}", epoch)


def _settle_changes(filesystem: str, epoch: int) -> None:
    """What would differ: when a file was read, and, by an mke2fs before 1.47.1, when it was changed, which nobody can set."""
    about = _run("dumpe2fs", filesystem)
    orders = "".join(f"sif <{inode}> {field} @{epoch}\n" for inode in recipe.used_inodes(about) for field in ("atime", "ctime"))
    _run("debugfs", "-w", "-f", "-", filesystem, stdin=orders)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise Failed(f"expected one {pattern} in {folder}, found {len(found)}")
    return found[0]


def _version() -> str:
    found = re.search(r'^__version__ = "(.*)"$', (TOP / "viaduct/__init__.py").read_text(), re.MULTILINE)
    if found is None:
        raise Failed("viaduct/__init__.py names no version")
    return found[1]


def _commit_time() -> str:
    done = subprocess.run(["git", "-C", TOP, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else str(int(time.time()))


def default_mirror() -> str:
    """This machine's own; Debian's where it names none."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        text = path.read_text() if path.exists() else ""
        found = re.search(r"^(?:URIs: *|deb (?:\[[^]]*\] )?)(\S+)", text, re.MULTILINE)
        if found:
            return found[1]
    return "http://deb.debian.org/debian"


def _chroot(tree: Path, *command: str) -> str:
    return _run("chroot", tree, *command)


def _run(*command: str | Path, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """What it printed. Raises Failed."""
    words: Sequence[str] = [str(word) for word in command]
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", input=stdin, env={**os.environ, **(env or {})}, check=False
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(words)[:300]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def _say(text: str) -> None:
    print(f"[image] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
