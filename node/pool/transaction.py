"""What the pool holds, its limits, and what it answers to a submission.

These records carry the validity that the runtime computed (Substrate's ValidTransaction) beside the bytes.
They know neither extrinsics nor pallets: tags are opaque bytes, `payload` is whatever the executive
applies.
"""

from enum import IntEnum
from typing import Final

import msgspec

PRIORITY_MAX: Final = 2**64 - 1
"""Highest priority, Substrate's TransactionPriority::MAX."""
LONGEVITY_MAX: Final = 2**64 - 1
"""Longevity of a transaction that never expires, Substrate's TransactionLongevity::MAX."""
FUTURE_SHARE: Final = 10
"""The future queue may hold one part in ten of what the ready queue may, as in Substrate."""


class PoolTransaction(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A transaction with the validity answer it got; two of them are the same when their hashes are."""

    hash: bytes
    """blake2b-256 of `data`, 32 bytes."""
    data: bytes
    """The full bytes with the compact length prefix, as they stand in a block."""
    sender: bytes | None
    """Whom the per-sender limit counts; None for unsigned transactions, which it does not count."""
    provides: tuple[bytes, ...]
    """Tags that hold once this is applied; no two ready transactions provide the same."""
    requires: tuple[bytes, ...]
    """Tags that the state it was validated on does not satisfy."""
    priority: int
    """0 … PRIORITY_MAX, higher first."""
    longevity: int
    """Number of blocks after the best one for which the answer holds; LONGEVITY_MAX means for ever."""
    propagate: bool
    """Whether peers should get it."""
    payload: object
    """The decoded extrinsic, kept so that it is decoded once."""


class PoolLimits(msgspec.Struct, frozen=True):
    """All limits of one pool; the defaults are Substrate's, except the one per sender."""

    ready_count: int = 8192
    ready_bytes: int = 20480 * 1024
    future_count: int = 8192 // FUTURE_SHARE
    future_bytes: int = 20480 * 1024 // FUTURE_SHARE
    per_sender: int = 64
    """Transactions of one sender, ready and future together."""
    transaction_bytes: int = 1024 * 1024
    ban_ms: int = 1800 * 1000
    accepts_future: bool = True

    @property
    def ban_count(self) -> int:
        """Bans kept at once: twice what the pool can hold, as in Substrate."""
        return 2 * (self.ready_count + self.future_count)


def compute_limits(
    pool_limit: int = 8192, pool_kbytes: int = 20480, per_sender: int = 64, ban_seconds: int = 1800
) -> PoolLimits:
    """Return the limits that `--pool-limit`, `--pool-kbytes` and `--tx-ban-seconds` mean."""
    assert pool_limit >= 1
    assert pool_kbytes >= 1
    assert per_sender >= 1
    assert ban_seconds >= 0
    return PoolLimits(
        ready_count=pool_limit,
        ready_bytes=pool_kbytes * 1024,
        future_count=max(1, pool_limit // FUTURE_SHARE),
        future_bytes=pool_kbytes * 1024 // FUTURE_SHARE,
        per_sender=per_sender,
        ban_ms=ban_seconds * 1000,
    )


class Status(IntEnum):
    """Where a submitted transaction went."""

    READY = 0
    FUTURE = 1


class Change(IntEnum):
    """A kind of change, in the order of the fields of Changes."""

    PROMOTED = 0
    DEMOTED = 1
    USURPED = 2
    DROPPED = 3
    INVALID = 4


class Changes(msgspec.Struct, frozen=True):
    """What an operation did to other transactions of the pool, by hash, each in the order it happened."""

    promoted: tuple[bytes, ...] = ()
    """Future transactions that became ready."""
    demoted: tuple[bytes, ...] = ()
    """Ready transactions that now wait for one that left."""
    usurped: tuple[bytes, ...] = ()
    """Transactions whose place a better paying one took."""
    dropped: tuple[bytes, ...] = ()
    """Transactions that had to leave because a limit was reached."""
    invalid: tuple[bytes, ...] = ()
    """Transactions that can no longer be applied."""


NO_CHANGES: Final = Changes()


class Outcome(msgspec.Struct, frozen=True):
    """Where the submitted transaction went, and what that did to others."""

    status: Status
    changes: Changes = NO_CHANGES


class PoolStatus(msgspec.Struct, frozen=True):
    """Occupation of the pool; `ready` counts those taken into the open block too."""

    ready: int
    ready_bytes: int
    future: int
    future_bytes: int
    taken: int
