"""What the kernel says of a transfer that failed, in words that help."""

from __future__ import annotations

import errno

import pytest

from mappers.i2c import faults
from mappers.i2c.address import Address
from mappers.sdk.errors import DeviceAway, DeviceRefused


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.EREMOTEIO, DeviceAway, "nobody acknowledges there"),
        (errno.ENODEV, DeviceAway, "nobody is at this address"),  # of a bus without the chip, and of an adapter that was unplugged
        (errno.EOPNOTSUPP, DeviceRefused, "cannot do this kind of transfer"),
    ],
)
def test_a_fault_of_the_kernel_is_told_in_words(number: int, kind: type[Exception], said: str) -> None:
    fault = faults.of_transfer(OSError(number, "os"), Address(1, 0x21))
    assert type(fault) is kind
    assert said in str(fault)
