"""What holds for every test."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# An example that takes long on a busy machine is no failure; pytest-timeout ends one that never ends.
_PATIENCE = [HealthCheck.too_slow, HealthCheck.filter_too_much]
settings.register_profile("patient", deadline=None, suppress_health_check=_PATIENCE)
settings.load_profile("patient")
# For `make check`: a look at each claim. `make test` tries all examples.
settings.register_profile("brief", deadline=None, max_examples=10, suppress_health_check=_PATIENCE)

# Each worker collects thousands of tests, all of which stay:
# to look through them for garbage, now and at every later collection, is in vain.
gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A test that runs a command in this process sets up logging on its captured stderr, which is closed when the test ends."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
