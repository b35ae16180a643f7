"""One CA for all tests of a process: making keys takes time."""

from __future__ import annotations

import functools
from datetime import timedelta

from cloudcore.pki import signing
from cloudcore.pki.authority import Authority
from cloudcore.pki.certificates import Signer, create_authority

NOW = 1_800_000_000.0
DAY = timedelta(days=1)


@functools.cache
def authority() -> Authority:
    return Authority(Signer(*create_authority("KubeEdge", 1, signing.validity(NOW, signing.CA_LIFETIME))))
