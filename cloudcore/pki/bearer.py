"""The door to PyJWT: the bearer part of a join token (contract 2.8: HS256 over the CA's private key)."""

from __future__ import annotations

from dataclasses import dataclass

import jwt

from cloudcore.errors import IdentityError


@dataclass(frozen=True, slots=True)
class Claims:
    """``expires`` in epoch seconds; ``token_id`` is empty in tokens of KubeEdge's making."""

    token_id: str
    expires: int


def encode(secret: bytes, claims: Claims) -> str:
    """Header, payload and signature, joined by dots."""
    return jwt.encode({"exp": claims.expires, "jti": claims.token_id}, secret, algorithm="HS256")


def decode(secret: bytes, text: str) -> Claims:
    """The claims of a bearer whose signature is good. Dates are left to the caller, who knows the time.

    Raises:
        IdentityError: not signed by this CA, or not a token at all.
    """
    options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False, "require": ["exp"]}
    try:
        payload = jwt.decode(text, secret, algorithms=["HS256"], options=options)  # type: ignore[arg-type]
    except (jwt.InvalidTokenError, ValueError) as exc:
        raise IdentityError("token: not one of this cluster, or damaged") from exc
    expires, token_id = payload["exp"], payload.get("jti", "")
    if not isinstance(expires, int | float) or isinstance(expires, bool) or not isinstance(token_id, str):
        raise IdentityError("token: exp or jti is of the wrong type")
    return Claims(token_id, int(expires))
