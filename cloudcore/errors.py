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


class KubeInvalid(KubeError):
    """The object was refused (400, 403, 422): sending it again does not help."""


class Refused(CloudCoreError):
    """A node's message that must not or can not take effect, ever; the node is told ``reason`` and drops it."""

    def __init__(self, reason: str, *, code: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class IdentityError(CloudCoreError):
    """A token, CSR or certificate that is not good."""
