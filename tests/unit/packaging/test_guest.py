"""What the virtual machine of ``make test-vm`` is given, so that the packages install in it without a network."""

from __future__ import annotations

from tests.vm.image import dependencies


def test_a_guest_has_what_the_packages_need_and_recommend_and_the_first_of_a_choice() -> None:
    control = """\
Package: one
Depends: bramble-common (= 1), python3 (>= 3.11), ${misc:Depends}, tzdata
Recommends: crun | runc
Suggests: other
"""
    assert dependencies(control) == {"python3", "tzdata", "crun"}
