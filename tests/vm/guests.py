"""Which guests there are."""

from __future__ import annotations

from tests.vm.image import TOP, Guest, dependencies

# Debian's kernel is built without gpio-sim, and without the simulated interrupts that it stands on; its source has both.
_GPIO_SIM = """
mkdir /tmp/gpio-sim
cd /tmp/gpio-sim
tar -xJf /usr/src/linux-source-*.tar.xz --strip-components=3 --wildcards '*/gpio/gpio-sim.c' '*/gpio/gpiolib.h' '*/irq/irq_sim.c'
mv gpio-sim.c sim.c
# The one thing in it that the kernel keeps from modules.
sed -i 's/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' irq_sim.c
printf 'obj-m := gpio-sim.o\\ngpio-sim-y := sim.o irq_sim.o\\n' >Makefile
version=$(ls /lib/modules)
make -C "/lib/modules/$version/build" M=/tmp/gpio-sim modules
install -D -m 0644 -t "/lib/modules/$version/extra" gpio-sim.ko
depmod "$version"
cd /
rm -r /tmp/gpio-sim
"""


def hardware() -> Guest:
    """Debian 12, for whose Python the package index has lgpio ready-made."""
    return Guest("bookworm", frozenset(("python3", "i2c-tools", "gpiod", "bluez")), _GPIO_SIM)


def board() -> Guest:
    """Debian 13, the oldest that a site runs on (decision 0090), with all that the packages ask for: they install without a network."""
    needed = dependencies((TOP / "packaging" / "debian" / "control").read_text())
    peers = ("busybox-static", "kubernetes-client", "mosquitto-clients", "sqlite3")
    return Guest("trixie", frozenset((*needed, *peers)))
