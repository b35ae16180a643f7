"""CloudCore's errors: one tree."""

from __future__ import annotations


class CloudCoreError(Exception):
    """Root of everything that CloudCore raises itself."""


class ConfigError(CloudCoreError):
    """A setting that cannot be used; each problem begins with its full key. The process ends with code 2."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class KubeError(CloudCoreError):
    """The Kubernetes API answered with an error (``code``, ``reason``) or could not be reached (``code`` 0)."""

    def __init__(self, message: str, *, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class KubeUnreachable(KubeError):
    """No answer: connection refused, time limit, TLS. Worth trying again."""


class KubeNotFound(KubeError):
    pass


class KubeAlreadyExists(KubeError):
    pass


class KubeConflict(KubeError):
    """The resourceVersion sent is not the newest: read again."""


class KubeGone(KubeError):
    """A watch from a compacted version: list again."""


class KubeForbidden(KubeError):
    """We may not (403). An administrator can mend that, and an API server that starts refuses everything until it has read its rules:
    worth trying again."""


class KubeInvalid(KubeError):
    """The object was refused (400, 422): sending it again does not help."""


class Refused(CloudCoreError):
    """A node's message that must not or can not take effect, ever; the node is told ``reason`` and drops it. ``why`` is the reason in a
    word, as it is counted."""

    def __init__(self, reason: str, *, code: int = 400, why: str = "invalid") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.why = why


class Denied(Refused):
    """A node's message about something that is not its own (X2)."""

    def __init__(self, reason: str, why: str, *, code: int = 403) -> None:
        super().__init__(reason, code=code, why=why)


class StreamError(CloudCoreError):
    """A stream that a node does not serve, or no longer; ``code`` as HTTP has them."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


class RecordsError(CloudCoreError):
    """The file of records cannot be used, or not now: what was to be kept is not."""


class HistoryError(CloudCoreError):
    """The file of samples cannot be used, or not now: what was to be kept is not."""


class IdentityError(CloudCoreError):
    """A token, CSR or certificate that is not good."""
