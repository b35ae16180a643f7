"""The claims of tests/system/test_road.py, with the fixtures of this folder: at a real API server."""

from __future__ import annotations

from tests.system.test_road import *  # noqa: F403
