"""What a header must keep to before anything is spent on its block, and what it says about its time.

Responsible for the checks that need no state, in order of cost. It knows no clock: the latest time that a
block may have is an argument.
"""

from __future__ import annotations

from node.chain.errors import BlockAhead
from runtime.frame.executive import InvalidBlock
from runtime.primitives.block import (
    DIGEST_BYTES_MAX,
    DIGEST_ITEMS_MAX,
    Header,
    PreRuntime,
    Seal,
    compute_extrinsics_root,
    is_digest_bounded,
)

TIME_ENGINE = b"TIME"
TIME_BYTES = 8
AHEAD_MAX_MS = 30_000
"""How far a block's time may be ahead of the importing node's clock; Substrate has the same
(MAX_TIMESTAMP_DRIFT_MILLIS)."""


def ensure_digest_bounded(header: Header) -> None:
    """InvalidBlock when the digest is larger than any block's; to be called before the header is hashed."""
    if not is_digest_bounded(header.digest):
        raise InvalidBlock(f"the digest exceeds {DIGEST_ITEMS_MAX} items or {DIGEST_BYTES_MAX} bytes")


def ensure_not_ahead(header: Header, time_max_ms: int | None) -> None:
    """BlockAhead when the header names a time after the latest allowed; None allows all."""
    if time_max_ms is not None and (time_ms := get_time(header)) > time_max_ms:
        raise BlockAhead(time_ms, time_max_ms)


def ensure_consistent(header: Header, body: tuple[bytes, ...], parent_number: int) -> None:
    """InvalidBlock unless number, body and the place of the seal agree with the header and its parent."""
    if header.number != parent_number + 1:
        raise InvalidBlock(f"number {header.number} on a parent with number {parent_number}")
    if any(isinstance(item, Seal) for item in header.digest.logs[:-1]):
        raise InvalidBlock("a seal that is not the last digest item")
    if compute_extrinsics_root(body) != header.extrinsics_root:
        raise InvalidBlock("the extrinsics do not have the header's root")


def get_time(header: Header) -> int:
    """Return the time of a block in milliseconds, 0 where its digest names none.

    The runtime sees to it that there is one and that it is the timestamp inherent's.
    """
    for item in header.digest.logs:
        match item:
            case PreRuntime(engine, data) if engine == TIME_ENGINE and len(data) == TIME_BYTES:
                return int.from_bytes(data, "little")
            case _:
                pass
    return 0
