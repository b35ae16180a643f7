"""Programs that a killed EdgeCore left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from edgecore.leftovers import end, started_with

READY = "print('ready', flush=True)"
STUBBORN = f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}; time.sleep(600)"
MEEK = f"import time; {READY}; time.sleep(600)"


@pytest.fixture
def word() -> str:
    return f"unix:///{uuid.uuid4()}"


@pytest.fixture
def left(request: pytest.FixtureRequest, word: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", request.param, "service", word], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait(10)
    process.stdout.close()


@pytest.mark.parametrize("left", [MEEK], indirect=True)
def test_a_program_is_known_by_the_words_it_was_started_with_and_ended(left: subprocess.Popen[bytes], word: str) -> None:
    assert started_with("service", word) == [left.pid]
    assert started_with("service", f"{word}x") == []
    assert started_with("other", word) == []
    assert end(left.pid, 10.0, by_force=False)
    assert started_with("service", word) == []
    assert end(left.pid, 10.0, by_force=False), "it is gone already"


@pytest.mark.parametrize("left", [STUBBORN], indirect=True)
def test_one_that_does_not_end_is_killed_only_where_that_is_meant(left: subprocess.Popen[bytes], word: str) -> None:
    assert not end(left.pid, 0.1, by_force=False)
    assert started_with(word) == [left.pid]
    assert end(left.pid, 0.1, by_force=True) or left.wait(10) is not None
    assert left.wait(10) == -9


def test_we_are_no_leftover_of_ours() -> None:
    assert os.getpid() not in started_with(sys.argv[0])
