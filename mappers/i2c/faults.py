"""What the kernel says of an I2C transfer that failed, in words that help. Pure."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from mappers.i2c.address import Address
from mappers.sdk.errors import DeviceAway, DeviceRefused

_NOBODY = "nobody acknowledges there: is it wired and powered, and is the address right (i2cdetect -y BUS)?"
_WORDS: Mapping[int, str] = {
    errno.EREMOTEIO: _NOBODY,
    errno.ENXIO: _NOBODY,
    errno.ETIMEDOUT: "the bus hangs: something holds a line low",
    errno.EAGAIN: "another master had the bus",
    errno.EIO: "the transfer was disturbed",
    errno.EBUSY: "a driver of the kernel keeps this address (a dtoverlay, perhaps)",
    errno.ENODEV: "nobody is at this address, or the bus itself is gone",
}
_BUS_WORDS: Mapping[int, str] = {
    errno.ENOENT: "there is no such bus: enable it (raspi-config, Interface, I2C; or dtparam=i2c_arm=on)",
    errno.EACCES: "not allowed: the mapper's user must be in the group i2c",
}


def of_transfer(fault: OSError, address: Address) -> DeviceAway | DeviceRefused:
    if fault.errno == errno.EOPNOTSUPP:
        return DeviceRefused(f"{address}: the bus cannot do this kind of transfer")
    return DeviceAway(f"{address}: {_WORDS.get(fault.errno or 0, str(fault))}")


def of_bus(fault: OSError, address: Address) -> DeviceAway:
    return DeviceAway(f"/dev/i2c-{address.bus}: {_BUS_WORDS.get(fault.errno or 0, str(fault))}")
