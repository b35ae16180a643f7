"""What the operating system lets this process have, and what Python's memory management may take of its time."""

from __future__ import annotations

import gc
import logging
import resource
from contextlib import suppress

logger = logging.getLogger(__name__)

_BESIDE_NODES = 500


def collect_garbage_rarely() -> None:
    """A full collection looks at every object of the caches, which at ten thousand pods holds up every node for a tenth of a second (D8).
    Nearly nothing here is garbage in a cycle."""
    gc.set_threshold(50_000, 20, 100)


def allow_connections(nodes: int) -> None:
    """As many open files as ``nodes`` and all else need, as far as the hard limit goes: the usual soft limit is 1024."""
    wanted = nodes + _BESIDE_NODES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    if allowed < wanted:
        logger.warning(
            "this process may have %d files open at most, which is too few for the %d nodes of modules.cloudhub.nodeLimit", allowed, nodes
        )
