"""The three parts of a cluster's identity together, as CloudCore and its command line open them."""

from __future__ import annotations

from dataclasses import dataclass

from cloudcore.pki.authority import Authority, open_authority
from cloudcore.pki.kubesecrets import KubeObjects, KubeSecrets
from cloudcore.pki.registry import TokenRegistry
from cloudcore.pki.revocation import RevocationList


@dataclass(frozen=True, slots=True)
class Identity:
    authority: Authority
    tokens: TokenRegistry
    revocations: RevocationList


async def open_identity(kube: KubeObjects, *, now: float) -> Identity:
    """The cluster's CA (made if there is none), tokens and revocations. ``now`` is epoch seconds.

    Raises:
        KubeError: the API failed. IdentityError: the Secrets hold something that cannot be read.
    """
    store = KubeSecrets(kube)
    authority = await open_authority(store, now=now)
    revocations = RevocationList(store)
    await revocations.refresh()
    return Identity(authority, TokenRegistry(store, authority), revocations)
