"""The claims of tests/system/streams/test_kubectl.py, with the fixtures of this folder: a real API server dials the nodes' kubelet."""

from __future__ import annotations

from tests.system.streams.conftest import talker  # noqa: F401
from tests.system.streams.test_kubectl import *  # noqa: F403

del test_top_shows_what_the_board_and_its_containers_use  # noqa: F821  # kubectl top asks metrics-server, which Debian does not have
