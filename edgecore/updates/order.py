"""What is asked of the updater, how far it is, and how it ended: values that survive on disk (decision 0161). Pure.

EdgeCore and the command line write orders; the updater alone writes journals and results. All three are read by each of them, and by
the next version of each, so fields may be added and none may change its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, TypeVar

from viaduct.upgrades.state import State

T = TypeVar("T")


class Source(StrEnum):
    APT = "apt"
    DEB = "deb"
    """Addresses with digests."""
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Order:
    """``id`` tells orders apart. ``version`` is empty where the folder says it. ``packages``: (url, sha256). ``timeout``: seconds.
    ``job``: name and uid of the NodeUpgradeJob, both empty where a person asks. ``socket``: where EdgeCore answers; ``database``: its
    file."""

    id: str
    source: Source
    version: str = ""
    packages: tuple[tuple[str, str], ...] = ()
    folder: str = ""
    timeout: int = 300
    checks: tuple[str, ...] = ()
    socket: str = ""
    database: str = ""
    job: tuple[str, str] = ("", "")


class Step(StrEnum):
    FETCH = "fetch"
    KEEP = "keep"
    """Have the packages of the present version, for the way back."""
    CHECK = "check"
    SWITCH = "switch"
    WATCH = "watch"
    PROMOTE = "promote"
    """What was new is what one goes back to from now on."""
    BACK = "back"
    SETTLE = "settle"
    """Watch after going back."""
    END = "end"


@dataclass(frozen=True, slots=True)
class Before:
    """How it was before the exchange: whether edgecore.service was active, had its link, and which containers ran
    (``namespace/pod/container``)."""

    active: bool = False
    connected: bool = False
    containers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Journal:
    """``order``: its id. ``tries``: how often ``step`` was begun. ``end``: where ``step`` is END. ``cut``: before anything was changed."""

    order: str
    step: Step = Step.FETCH
    tries: int = 1
    was: str = ""
    version: str = ""
    reason: str = ""
    before: Before = field(default_factory=Before)
    end: State = State.FAILED
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """``order``: its id. ``ended``: seconds since the epoch, by the board's clock."""

    order: str
    state: State
    reason: str = ""
    was: str = ""
    version: str = ""
    ended: int = 0
    job: tuple[str, str] = ("", "")


STATE_OF_STEP = {
    Step.FETCH: State.CHECKING,
    Step.KEEP: State.CHECKING,
    Step.CHECK: State.CHECKING,
    Step.SWITCH: State.UPGRADING,
    Step.WATCH: State.VERIFYING,
    Step.PROMOTE: State.VERIFYING,
    Step.BACK: State.ROLLING_BACK,
    Step.SETTLE: State.ROLLING_BACK,
}


def as_json(value: Order | Journal | Result) -> dict[str, Any]:
    return asdict(value)


def order_from(value: Any) -> Order | None:
    """None where ``value`` is none."""
    return _read(Order, value)


def journal_from(value: Any) -> Journal | None:
    return _read(Journal, value)


def result_from(value: Any) -> Result | None:
    return _read(Result, value)


_CONVERT: Mapping[str, Any] = {
    "source": Source,
    "step": Step,
    "state": State,
    "end": State,
    "packages": lambda value: tuple((str(url), str(digest)) for url, digest in value),
    "checks": lambda value: tuple(map(str, value)),
    "containers": lambda value: tuple(map(str, value)),
    "job": lambda value: (str(value[0]), str(value[1])),
    "before": lambda value: _made(Before, value),
    "timeout": int,
    "tries": int,
    "ended": int,
    "active": bool,
    "connected": bool,
    "cut": bool,
}


def _read(kind: type[T], value: Any) -> T | None:
    try:
        return _made(kind, value)
    except (TypeError, ValueError, AttributeError, LookupError):
        return None


def _made(kind: type[T], value: Mapping[str, Any]) -> T:
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{key: _CONVERT.get(key, str)(item) for key, item in value.items() if key in known})
