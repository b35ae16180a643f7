"""The door to ``spake2``, and the seal over what a board is given (P2.12): the cloud's side, begun and ended in one step."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from spake2 import SPAKE2_B, SPAKEError
from spake2.ed25519_basic import NotOnCurve

from cloudcore.errors import IdentityError
from viaduct.pairing import BOARD, CLOUD, KEY_INFO, NONCE_BYTES, Answer


def answer(code: str, message: bytes, invitation: bytes) -> Answer:
    """To a board's ``message``: whoever knows ``code`` can open ``invitation``, and nobody else. About 10 ms on a laptop, 100 on a Pi.

    Raises:
        IdentityError: the message is no point of the curve that an honest board could send.
    """
    side = SPAKE2_B(code.encode(), BOARD, CLOUD)
    ours: bytes = side.start()
    try:
        shared: bytes = side.finish(message)
    except (SPAKEError, NotOnCurve, ValueError) as exc:
        raise IdentityError("message: not one of a pairing") from exc
    nonce = os.urandom(NONCE_BYTES)
    return Answer(ours, nonce + ChaCha20Poly1305(_key(shared)).encrypt(nonce, invitation, None))


def _key(shared: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, None, KEY_INFO).derive(shared)
