"""The parts of a cluster's identity together, as CloudCore and its command line open them."""

from __future__ import annotations

from dataclasses import dataclass

from cloudcore.pki.authority import Authority, open_authority
from cloudcore.pki.kubesecrets import KubeObjects, KubeSecrets
from cloudcore.pki.registry import TokenRegistry
from cloudcore.pki.revocation import RevocationList
from cloudcore.pki.waitinglist import WaitingList


@dataclass(frozen=True, slots=True)
class Identity:
    authority: Authority
    tokens: TokenRegistry
    revocations: RevocationList
    expected: WaitingList


async def open_identity(kube: KubeObjects, *, now: float) -> Identity:
    """The cluster's CA (made if there is none), tokens, revocations and the boards that are expected. ``now`` is epoch seconds.

    Raises:
        KubeError: the API failed. IdentityError: the Secrets hold something that cannot be read.
    """
    store = KubeSecrets(kube)
    authority = await open_authority(store, now=now)
    revocations = RevocationList(store)
    await revocations.refresh()
    tokens = TokenRegistry(store, authority)
    return Identity(authority, tokens, revocations, WaitingList(store, tokens))
