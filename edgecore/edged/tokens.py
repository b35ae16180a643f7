"""The tokens of one pod: asked for when they are needed and again before they get old. Nothing here fails for want of one."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgecore.edged.pod import PodPlan
from edgecore.edged.ports import Workshop
from edgecore.edged.sources import TokenFound, TokenWish, token_wishes
from edgecore.errors import Busy, NoAnswer, NotFound, StoreError
from viaduct.tokenrequest import TokenRequest

logger = logging.getLogger(__name__)

_NEEDED_LIMIT = 5.0
_USEFUL_LIMIT = 2.0
"""Seconds that a pod waits for the answer about a token that it may start without."""

_NEEDED_PAUSES = (5.0, 300.0)
_USEFUL_PAUSES = (60.0, 3600.0)
"""After the first failure, and at most: a refusal doubles the pause, because each question costs the link (C7)."""

_LEAST = 1.0


@dataclass(frozen=True, slots=True)
class _Held:
    """``due``: when to ask again (monotonic)."""

    found: TokenFound
    due: float
    refusals: int = 0


class PodTokens:
    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._held: dict[TokenWish, _Held] = {}

    @property
    def look_at(self) -> list[float]:
        """When there is something to ask for (monotonic); what is due already is named too, so that nobody sleeps over it."""
        return [held.due for held in self._held.values()]

    def due(self) -> bool:
        now = time.monotonic()
        return any(held.due <= now for held in self._held.values())

    def forget_failures(self) -> None:
        """Something changed: what is missing is worth another question."""
        self._held = {wish: replace(held, due=0.0, refusals=0) if held.found.problem else held for wish, held in list(self._held.items())}

    def look_up(self, plan: PodPlan) -> Mapping[TokenWish, TokenFound]:
        """What the pod's volumes name; asks for what is not known or gets old."""
        now, wishes = time.monotonic(), token_wishes(plan.spec)
        held = self._held
        asked = {
            wish: known if (known := held.get(wish)) is not None and known.due > now else self._ask(plan, wish, needed, known)
            for wish, needed in wishes.items()
        }
        self._held = asked
        return {wish: one.found for wish, one in asked.items()}

    def _ask(self, plan: PodPlan, wish: TokenWish, needed: bool, before: _Held | None) -> _Held:
        request = TokenRequest(plan.name, plan.uid, wish.audience, wish.seconds)
        limit = _NEEDED_LIMIT if needed else _USEFUL_LIMIT
        try:
            token = self._shop.meta.token(plan.namespace, plan.account, request, needed=needed, timeout=limit)
        except (NotFound, NoAnswer, Busy, StoreError) as exc:
            if before is None:
                logger.info("pod %s/%s: no token of service account %s: %s", plan.namespace, plan.name, plan.account, exc)
            first, most = _NEEDED_PAUSES if needed else _USEFUL_PAUSES
            refusals = (before.refusals if before is not None else 0) + 1 if isinstance(exc, NotFound) else 0
            pause = min(most, first * 2.0 ** min(max(refusals - 1, 0), 16))
            text = before.found.text if before is not None else ""
            return _Held(TokenFound(text, str(exc)), time.monotonic() + pause, refusals)
        return _Held(TokenFound(token.text), time.monotonic() + max(_LEAST, token.fresh))
