"""How far an upgrade has come on one node (P9.4)."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    PENDING = "Pending"
    """The node's turn has not come. Said by the cloud, as the next one."""
    STARTED = "Started"
    """The node is told to do it."""
    CHECKING = "Checking"
    """The node fetches the packages and looks whether it can; nothing is changed yet."""
    UPGRADING = "Upgrading"
    """The packages are being exchanged."""
    VERIFYING = "Verifying"
    """They are, and the node watches whether all works with them."""
    ROLLING_BACK = "RollingBack"
    """It did not: the packages from before come back."""
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    """Nothing was changed."""
    ROLLED_BACK = "RolledBack"
    """The version from before runs again."""
    ROLLBACK_FAILED = "RollbackFailed"
    """A person is needed."""
    TIMED_OUT = "TimedOut"
    """The node was told and has said no end since. Said by the cloud; what the node says later takes its place."""


FAILURES = frozenset({State.FAILED, State.ROLLED_BACK, State.ROLLBACK_FAILED, State.TIMED_OUT})
ENDS = FAILURES | {State.SUCCESSFUL}
OF_A_NODE = frozenset(State) - {State.PENDING, State.STARTED, State.TIMED_OUT}
"""What a node may say."""
