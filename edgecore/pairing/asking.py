"""The loop of a board that shows a code: it asks the sites that there are until one can answer, and joins there."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edgecore.certs.enrolmentlink import ask_to_pair
from edgecore.certs.jointoken import Endpoint, parse_token
from edgecore.errors import IdentityError, PairingError
from edgecore.pairing.course import SITES_LIMIT, Code, pause_s
from edgecore.pairing.exchange import Exchange, make_code
from edgecore.pairing.site import Site
from viaduct.errors import MalformedPayload
from viaduct.pairing import Answer, Invitation, read_answers, read_invitation, request_body

JOINED, GAVE_UP, WRONG = 0, 1, 2


class Voice(Protocol):
    """How the board speaks to the person before it."""

    def show(self, code: str) -> None:
        """From now on ``code`` is the one to type at the site."""

    def say(self, text: str) -> None:
        """News, said once."""


Join = Callable[[Endpoint, Invitation], int]
"""Joins there: the exit code of ``edgecore join``."""


@dataclass(slots=True)
class Asking:
    """``find`` gives the sites of this moment or raises PairingError. ``code`` is the first to show, empty for a fresh one;
    ``until`` is when to give up, by ``clock``."""

    find: Callable[[], Sequence[Site]]
    join: Join
    voice: Voice
    code: str = field(default="", repr=False)
    until: float = float("inf")
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _said: dict[str, str] = field(default_factory=dict)

    def run(self) -> int:
        """JOINED, GAVE_UP where the time is over, or WRONG where this board cannot join whatever is answered."""
        code = self._take(self.code or make_code())
        rounds = 0
        while self.clock() < self.until:
            if code.is_over(self.clock()):
                code = self._take(make_code())
            for site in self._sites():
                if (ended := self._ask(site, code)) is not None:
                    return ended
            self.sleep(max(0.0, min(pause_s(rounds, random.random()), self.until - self.clock())))
            rounds += 1
        return GAVE_UP

    def _take(self, text: str) -> Code:
        self.voice.show(text)
        return Code(text, self.clock())

    def _sites(self) -> Sequence[Site]:
        try:
            sites = self.find()[:SITES_LIMIT]
        except PairingError as exc:
            self._news("", str(exc))
            return ()
        self._news("", "" if sites else "no site announces itself on this network yet; with the address of one: --cloud HOST")
        return sites

    def _ask(self, site: Site, code: Code) -> int | None:
        """At the first of its addresses that answers. How it ended, or None where it goes on."""
        troubles = []
        for endpoint in site.endpoints:
            exchange = Exchange(code.text)
            try:
                answers = read_answers(ask_to_pair(endpoint, request_body(exchange.message)))
            except IdentityError as exc:
                troubles.append(str(exc))
                continue
            except MalformedPayload as exc:
                troubles.append(f"{endpoint} answers nonsense: {exc}")
                continue
            self._news(str(site), f"asks {site}")
            return self._open(endpoint, exchange, code, answers)
        self._news(str(site), "; ".join(troubles))
        return None

    def _open(self, endpoint: Endpoint, exchange: Exchange, code: Code, answers: Sequence[Answer]) -> int | None:
        for answer in answers:
            opened = exchange.open(answer)
            if opened is not None:
                return self._accept(endpoint, opened)
            code.wrong += 1
        return None

    def _accept(self, endpoint: Endpoint, opened: bytes) -> int | None:
        try:
            invitation = read_invitation(opened)
            parse_token(invitation.token)
        except (MalformedPayload, IdentityError) as exc:
            self._news(str(endpoint), f"{endpoint} knows the code and sends something else than a token: {exc}")
            return None
        ended = self.join(endpoint, invitation)
        return None if ended == GAVE_UP else ended

    def _news(self, about: str, text: str) -> None:
        if self._said.get(about, "") != text:
            self._said[about] = text
            if text:
                self.voice.say(text)
