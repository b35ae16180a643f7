"""The claims of tests/system/test_services.py, with the fixtures of this folder: real Endpoints of a real controller."""

from __future__ import annotations

from tests.system.test_services import *  # noqa: F403
