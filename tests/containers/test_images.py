"""Each image alone: whom it runs as, what it can write, what it says, and that nothing is missing in it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from demo.stage import BIN
from tests.containers.podman import HARDENED, Podman
from viaduct import __version__

ARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf"}[platform.machine()]
IMAGES = ("cloudcore", "edgesite", "mappers")
MOST_MB = 100
"""Unpacked. A change that doubles an image should be noticed."""

EVERY_MODULE = """
import importlib.util, os, sys
folders = ["/usr/lib/bramble", "/usr/lib/python3/dist-packages", os.path.dirname(os.__file__)]
without = []
for folder in folders:
    for place, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(place, name)
            if name.endswith(".py") and not os.path.islink(path):
                cached = importlib.util.cache_from_source(path)
                if not os.path.exists(cached) or open(cached, "rb").read(8)[4] != 1:
                    without.append(path)
print(len(without), without[:5])
"""
"""Flags 1: the bytecode is taken without a look at the source's time."""


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_says_what_it_is_and_runs_as_nobody_in_particular(podman: Podman, name: str) -> None:
    image = podman.inspect("image", podman.image(name, ARCH))
    labels = image["Config"]["Labels"]
    assert image["Config"]["User"] == "65532:65532"
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert {"title", "description", "revision", "created"} <= {label.rpartition(".")[2] for label in labels}
    assert image["Size"] < MOST_MB * 1_000_000


@pytest.mark.parametrize("name", IMAGES)
def test_nothing_is_compiled_again_at_each_start(podman: Podman, name: str) -> None:
    done = podman.ended(*HARDENED, "--entrypoint", "/usr/bin/python3", podman.image(name, ARCH), "-I", "-c", EVERY_MODULE)
    assert done.stdout.strip() == "0 []", done.stderr


@pytest.mark.parametrize("name", IMAGES)
def test_scanners_find_the_packages_and_lawyers_their_licences(podman: Podman, name: str) -> None:
    script = "import os; have = set(os.listdir('/var/lib/dpkg/status.d')); print('libc6' in have, have - set(os.listdir('/usr/share/doc')))"
    done = podman.ended(*HARDENED, "--entrypoint", "/usr/bin/python3", podman.image(name, ARCH), "-I", "-c", script)
    assert done.stdout.startswith("True"), done.stderr


@pytest.mark.parametrize(("name", "program"), [("cloudcore", "cloudcore"), ("edgesite", "edgesite")])
@pytest.mark.parametrize("flag", ["--version", "--minconfig", "--defaultconfig"])
def test_a_program_says_what_it_says_outside(podman: Podman, name: str, program: str, flag: str) -> None:
    done = podman.ended(*HARDENED, podman.image(name, ARCH), flag)
    here = subprocess.run([BIN / program, flag], capture_output=True, text=True, check=True)
    assert (done.returncode, done.stdout) == (0, here.stdout)


@pytest.mark.parametrize("name", ["cloudcore", "edgesite"])
def test_a_wrong_setting_is_named_and_ends_the_container_with_2(podman: Podman, name: str, tmp_path: Path) -> None:
    wrong = tmp_path / "config"
    wrong.mkdir()
    (wrong / f"{name}.yaml").write_text("modules:\n  cloudhub:\n    keepaliveInterval: often\n")
    (wrong / f"{name}.yaml").chmod(0o644)
    tmp_path.chmod(0o755)
    done = podman.ended(*HARDENED, "--volume", f"{wrong}:/etc/kubeedge/config:ro", podman.image(name, ARCH))
    assert done.returncode == 2
    assert "modules.cloudhub.keepaliveInterval" in done.stderr


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("cloudcore", "cloudcore.app cloudcore.history.mqttsink cloudcore.history.remotewrite"),
        ("edgesite", "edgesite.app cloudcore.history.mqttsink cloudcore.history.remotewrite"),
        (
            "mappers",
            "bleak dbus_fast pymodbus serial smbus2 paho.mqtt.client" if ARCH != "armhf" else "pymodbus serial smbus2 paho.mqtt.client",
        ),
    ],
)
def test_the_libraries_that_are_loaded_late_are_there(podman: Podman, name: str, modules: str) -> None:
    paths = "import sys; sys.path[:0] = ['/usr/lib/bramble', '/usr/lib/bramble/carried']; "
    script = paths + "import " + ", ".join(modules.split()) + "; import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 50)"
    done = podman.ended(*HARDENED, "--entrypoint", "/usr/bin/python3", podman.image(name, ARCH), "-I", "-c", script)
    assert done.stdout.strip() == "True", done.stderr


def test_the_mappers_name_their_protocols(podman: Podman) -> None:
    done = podman.ended(*HARDENED, "--tmpfs=/tmp", podman.image("mappers", ARCH), "--help")
    assert done.returncode == 0
    assert "bluetooth, gpio, i2c, modbus, serial" in done.stdout.replace("\n", " ").replace("  ", " ")


@pytest.mark.parametrize("arch", ["arm64", "armhf"])
@pytest.mark.parametrize(("name", "program"), [("cloudcore", "cloudcore"), ("edgesite", "edgesite"), ("mappers", "bramble-mapper")])
def test_an_image_for_another_processor_starts_under_emulation(podman: Podman, name: str, program: str, arch: str) -> None:
    """The emulator is mounted into the container, so nothing has to be registered with the kernel."""
    emulator = shutil.which({"arm64": "qemu-aarch64-static", "armhf": "qemu-arm-static"}[arch])
    archive = Path(os.environ["IMAGES"]) / f"bramble-{name}_{__version__}_{arch}.oci.tar"
    if arch == ARCH or emulator is None or not archive.exists():
        pytest.skip(f"needs qemu-user-static and make containers ARCHES='{ARCH} {arch}'")
    image = podman.image(name, arch)
    assert podman.inspect("image", image)["Architecture"] == {"arm64": "arm64", "armhf": "arm"}[arch]
    emulated = ("--volume", f"{emulator}:/emulator:ro", "--entrypoint", "/emulator", "--tmpfs=/tmp")
    done = podman.ended(*HARDENED, *emulated, image, "/usr/bin/python3", "-I", f"/usr/bin/{program}", "--help")
    assert done.returncode == 0, done.stderr
    assert f"usage: {program}" in done.stdout
