"""What can go wrong with a peer: it broke the protocol, or a request to it brought nothing.

Pure types. A `RemoteError` carries what the peer loses by it; a handler of messages may raise one too.
"""

from enum import Enum
from typing import Final

SCORE_MIN: Final = -(2**31)
SCORE_MAX: Final = 2**31 - 1


class Penalty(Enum):
    """What a peer's score changes by, and why; numbers without a remark are Substrate's."""

    WRONG_GENESIS = (SCORE_MIN, "has another genesis")
    SAME_REQUEST = (SCORE_MIN, "asked for the same again and again")
    BAD_BLOCK = (-(2**29), "sent a bad block")
    NOT_REQUESTED = (-(2**29), "answered what nobody asked")
    BAD_MESSAGE = (-(2**29), "sent bytes that no honest node sends")
    """Substrate takes 2^12; ours are authenticated, so they are the peer's own."""
    FLOOD = (-(2**26), "sent more than its rate")
    """One message too many; 23 of them are a ban. Ours."""
    BAD_TRANSACTION = (-(2**12), "sent a bad transaction")
    BAD_RESPONSE = (-(2**12), "gave a bad response")
    TIMEOUT = (-(2**10), "did not answer in time")
    REFUSED = (-(2**10), "refused a request")
    ANY_TRANSACTION = (-(2**4), "sent a transaction")
    """Taken for each transaction, given back with interest when it proves good."""
    GOOD_TRANSACTION = (2**7, "sent a good transaction")

    @property
    def change(self) -> int:
        """What is added to the score."""
        return self.value[0]

    @property
    def reason(self) -> str:
        """The words for the log."""
        return self.value[1]


class RemoteError(Exception):
    """The peer broke the protocol; `penalty` is what its score changes by, None where it may be innocent."""

    def __init__(self, reason: str, penalty: Penalty | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.penalty = penalty


class RequestError(Exception):
    """A request brought no response."""


class PeerGoneError(RequestError):
    """The peer is not connected, or went before it answered."""


class RequestTimeoutError(RequestError):
    """The peer did not answer in time, and was penalised for it."""


class TooManyRequestsError(RequestError):
    """As many requests to this peer as are allowed wait for an answer; ask another."""


class RequestRefusedError(RequestError):
    """The peer answered that it cannot or will not; `code` is a `RefusalCode`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the peer refused (code {code})")
        self.code = code
