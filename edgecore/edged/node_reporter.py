"""A rim thread that registers this node and tells its status: on change, and at least every few hours (contract 4.5, 8.5)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from edgecore.containers.model import Image
from edgecore.edged.node import EngineState, Machine, differs, node_labels, node_status
from edgecore.edged.ports import Meta
from edgecore.errors import Busy, NoAnswer, StoreError

logger = logging.getLogger(__name__)

LEDGER_HEARTBEAT = 3 * 3600.0
"""Seconds between two statuses without news, where the cloud renews the node's Lease by itself: an idle link is to cost little (C7)."""

_REGISTER_LIMIT = 20.0


class NodeReporter:
    """``every``: seconds between two looks. To a KubeEdge cloud (plain) each look is told; it knows no other heartbeat."""

    def __init__(self, meta: Meta, node: str, read: Callable[[], Machine], *, version: str, register: bool, every: float) -> None:
        self._meta = meta
        self._node = node
        self._read = read
        self._version = version
        self._register = register
        self._every = every
        self._registered = not register
        self._connected: bool | None = None
        self._ledger = True
        self._engine = EngineState()
        self._made: dict[str, Any] = {}
        self._told: dict[str, Any] = {}
        self._images: Sequence[Image] = ()
        self._told_at = 0.0
        self._closed = False
        self._wake = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="node-status", daemon=True).start()

    def link_changed(self, *, connected: bool, ledger: bool) -> None:
        self._connected, self._ledger = connected, ledger
        if connected:
            self._registered, self._told = not self._register, {}
        self._wake.set()

    def engine_changed(self, engine: EngineState) -> None:
        self._engine = engine
        self._wake.set()

    def images_changed(self, images: Sequence[Image]) -> None:
        if images != self._images:
            self._images = images
            self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    def _run(self) -> None:
        while not self._closed:
            self._wake.clear()
            try:
                self._look()
            except (Busy, NoAnswer, StoreError) as exc:
                logger.debug("node status: %s", exc)
            except Exception:
                logger.exception("node status: this is a bug; tried again")
            self._wake.wait(self._every)

    def _look(self) -> None:
        machine = self._read()
        status = self._made = node_status(
            machine, self._engine, version=self._version, before=self._made, now=time.time(), images=self._images
        )
        if not self._registered:
            if self._connected is False:
                return
            self._registered = self._meta.register_node(self._node, node_labels(self._node, machine), status, timeout=_REGISTER_LIMIT)
            if not self._registered:
                return
            logger.info("node %s is registered", self._node)
        age = time.monotonic() - self._told_at
        if differs(status, self._told) or age >= LEDGER_HEARTBEAT or not self._ledger:
            self._meta.report_node_status(self._node, status)
            self._told, self._told_at = status, time.monotonic()
