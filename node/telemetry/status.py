"""The status line every five seconds, in Substrate's words and order, since scripts look for them.

It must not know where the numbers come from: it is handed a function that reads them.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog

PERIOD_S = 5.0

log = structlog.get_logger("substrate")


class Status(NamedTuple):
    """One reading of a chain: numbers, 32-byte hashes, total bytes; `sync_target` while catching up."""

    peers: int
    best: int
    best_hash: bytes
    finalized: int
    finalized_hash: bytes
    sync_target: int | None = None
    received_bytes: int = 0
    sent_bytes: int = 0


async def report_status(
    read: Callable[[], Status], chain: str | None = None, period_s: float = PERIOD_S
) -> None:
    """Log a line for ever; `chain` is named on the line when a process hosts several."""
    bound = log.bind(chain=chain) if chain is not None else log
    previous = read()
    while True:
        await asyncio.sleep(period_s)
        status = read()
        event, fields = describe(status, previous, period_s)
        bound.info(event, **fields)
        previous = status


def describe(status: Status, previous: Status, period_s: float) -> tuple[str, dict[str, object]]:
    """Return the event of a reading and its fields, with rates over the period since the previous one."""
    fields: dict[str, object] = {
        "peers": status.peers,
        "best": status.best,
        "best_hash": status.best_hash,
        "finalized": status.finalized,
        "finalized_hash": status.finalized_hash,
        "download_kib": _per_second(status.received_bytes - previous.received_bytes, period_s * 1024),
        "upload_kib": _per_second(status.sent_bytes - previous.sent_bytes, period_s * 1024),
    }
    if status.sync_target is None:
        return "node_idle", fields
    bps = _per_second(status.best - previous.best, period_s)
    return "node_syncing", {**fields, "bps": bps, "target": status.sync_target}


def _per_second(amount: float, period: float) -> float:
    return round(max(amount, 0) / period, 1)
