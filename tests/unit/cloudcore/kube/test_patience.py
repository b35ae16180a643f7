"""Waiting for an API: what is tried again, and what is not."""

from __future__ import annotations

import asyncio

import pytest

from cloudcore.errors import KubeError, KubeForbidden, KubeInvalid, KubeUnreachable
from cloudcore.kube.backoff import Backoff
from cloudcore.kube.patience import until_answered


class API:
    def __init__(self, *errors: KubeError) -> None:
        self._errors = list(errors)

    async def ask(self) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return "answered"


def test_an_api_that_is_away_or_starts_and_refuses_everything_is_asked_again() -> None:
    api = API(KubeUnreachable("refused"), KubeForbidden("its rules are not read yet", code=403), KubeError("etcd is away", code=500))
    assert asyncio.run(until_answered("asking", api.ask, Backoff(0.001, 0.001))) == "answered"


def test_what_is_refused_for_good_is_not_asked_again() -> None:
    with pytest.raises(KubeInvalid):
        asyncio.run(until_answered("asking", API(KubeInvalid("wrong", code=422)).ask, Backoff(0.001, 0.001)))
