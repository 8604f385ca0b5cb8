"""What can go wrong in a gateway: its configuration, a source, its journal, the node it speaks to.

A source's fault names its kind, which is a label of metrics, and says in a sentence what was seen; nothing
here repeats a secret.
"""

from enum import StrEnum


class GatewayError(Exception):
    """Base of what a gateway raises."""


class ConfigFault(GatewayError):
    """The configuration is wrong; the message names the place."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place


class JournalFault(GatewayError):
    """The state folder cannot be used; nothing is sent without it."""


class SessionFault(GatewayError):
    """A node cannot be used at present; another one may."""


class FaultKind(StrEnum):
    """What is wrong with a source or one of its values."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    STATUS = "status"
    RATE_LIMITED = "rate_limited"
    REDIRECT = "redirect"
    TOO_LARGE = "too_large"
    CONTENT_TYPE = "content_type"
    MALFORMED = "malformed"
    MISSING = "missing"
    NOT_A_NUMBER = "not_a_number"
    UNIT = "unit"
    STALE = "stale"
    FUTURE = "future"
    OUT_OF_RANGE = "out_of_range"
    OUTLIER = "outlier"
    JUMP = "jump"
    BAD_ROW = "bad_row"


class SourceFault(GatewayError):
    """A source gave nothing that can be used; `retry_ms` is when it wants to be asked again."""

    def __init__(self, kind: FaultKind, detail: str, retry_ms: int | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.retry_ms = retry_ms
