"""The door to ``spake2``, and the seal over what a site gives (P2.12): the board's side of one exchange."""

from __future__ import annotations

import copy
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from spake2 import SPAKE2_A, SPAKEError
from spake2.ed25519_basic import NotOnCurve

from viaduct.pairing import ALPHABET, BOARD, CLOUD, CODE_LENGTH, KEY_INFO, NONCE_BYTES, Answer


def make_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


class Exchange:
    """For one question to one site; ``message`` is what to ask with."""

    def __init__(self, code: str) -> None:
        self._side = SPAKE2_A(code.encode(), BOARD, CLOUD)
        self.message: bytes = self._side.start()

    def open(self, answer: Answer) -> bytes | None:
        """What the site sealed, or None where it was not sealed for our code. Nobody hears which: each answer is one guess at most."""
        side = copy.copy(self._side)  # may finish once; a site answers for each of the codes that wait there
        try:
            key = HKDF(hashes.SHA256(), 32, None, KEY_INFO).derive(side.finish(answer.message))
            return ChaCha20Poly1305(key).decrypt(answer.sealed[:NONCE_BYTES], answer.sealed[NONCE_BYTES:], None)
        except (SPAKEError, NotOnCurve, InvalidTag, ValueError):
            return None
