"""What the edge knows of a device: its twins with both sides and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from viaduct.device import DELETED, Attribute, MsgTwin, TwinValue, Version
from viaduct.faults import Fault


@dataclass(frozen=True, slots=True)
class Twin:
    """One property. A version is None while that side was never set. Type ``deleted`` marks a tombstone: it keeps the versions only."""

    expected: TwinValue | None = None
    actual: TwinValue | None = None
    optional: bool = True
    type: str = "string"
    expected_version: Version | None = None
    actual_version: Version | None = None

    @property
    def gone(self) -> bool:
        return self.type == DELETED

    @property
    def differs(self) -> bool:
        """Something is desired that is not reported (contract 6.3: what a delta names)."""
        expected = self.expected
        return expected is not None and expected.value != "" and (self.actual is None or self.actual.value != expected.value)

    def as_message(self) -> MsgTwin | None:
        """Without versions; None for a tombstone."""
        if self.gone:
            return None
        return MsgTwin(self.expected, self.actual, self.optional, self.type)

    def as_report(self) -> MsgTwin:
        """What the cloud is told (contract 6.6): the reported side, and the desired one where the edge changed it, with versions."""
        if self.gone:
            return MsgTwin(type=DELETED, expected_version=self.expected_version, actual_version=self.actual_version)
        ours = self.expected_version is not None and self.expected_version.edge > 0
        return MsgTwin(
            self.expected if ours else None,
            self.actual,
            self.optional,
            self.type,
            self.expected_version if ours else None,
            self.actual_version if self.actual is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Shadow:
    """One device. ``uid`` and ``version``: the Device object that it stands for, empty where the cloud does not tell them. ``faults``: what
    its mapper says is wrong, None where it never said anything of the kind."""

    id: str
    name: str = ""
    description: str = ""
    state: str = ""
    last_online: str = ""
    uid: str = ""
    version: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    twins: Mapping[str, Twin] = field(default_factory=dict)
    faults: tuple[Fault, ...] | None = None
