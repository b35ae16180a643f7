"""What outside libraries import though the agent never needs it, left out while they are imported: each costs 3 MB (promise C1)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def leaving_out(*names: str, **stand_ins: ModuleType) -> Iterator[None]:
    """While it lasts, ``names`` import as if they were not installed, and those of ``stand_ins`` as what is given. What is loaded stays."""
    substitutes: dict[str, ModuleType | None] = {**dict.fromkeys(names), **stand_ins}
    placed = {name: module for name, module in substitutes.items() if name not in sys.modules}
    sys.modules.update(placed)  # type: ignore[arg-type]  # None is the import system's own sign for "not there"
    try:
        yield
    finally:
        for name in placed:
            sys.modules.pop(name, None)


def no_guessing() -> ModuleType:
    """For ``chardet``, which requests asks for the encoding of an answer that names none. Podman says JSON, which is UTF-8."""
    module = ModuleType("chardet")
    module.__dict__.update(__version__="5.0.0", detect=lambda data: {"encoding": "utf-8"})
    return module
