"""Cost of the transaction pool per transaction: import, ready, taken, included, pruned.

`python -m benchmarks.pool [TURNS]` prints one JSON line per case: µs of CPU per transaction, without
signatures and validity. A block holds BLOCK transactions, imported one by one and taken in chunks as the
open block does.
"""

import sys
import time
from typing import Final

from benchmarks.measure import Meter, report
from node.pool.pool import Pool
from node.pool.transaction import LONGEVITY_MAX, PoolTransaction, compute_limits

BLOCK: Final = 15_000
BLOCKS: Final = 4
CHUNK: Final = 100
TURNS: Final = 3
BUDGET_US: Final = 5


def make_transaction(sender: int, nonce: int, first_nonce: int, tip: int, longevity: int) -> PoolTransaction:
    account = sender.to_bytes(32, "little")
    requires = () if nonce == first_nonce else (account + (nonce - 1).to_bytes(4, "little"),)
    return PoolTransaction(
        hash=(sender << 32 | nonce).to_bytes(32, "big"),
        data=bytes(140),
        sender=account,
        provides=(account + nonce.to_bytes(4, "little"),),
        requires=requires,
        priority=tip,
        longevity=longevity,
        propagate=True,
        payload=None,
    )


def make_blocks(senders: int, *, tips: bool) -> list[list[PoolTransaction]]:
    """Each sender sends as many in every block as its share; the first of a block requires nothing."""
    share = BLOCK // senders
    return [
        [
            make_transaction(
                sender,
                block * share + turn,
                block * share,
                (sender * 7919 + turn) % 1000 if tips else 0,
                64 if sender % 2 else LONGEVITY_MAX,
            )
            for turn in range(share)
            for sender in range(senders)
        ]
        for block in range(BLOCKS)
    ]


def run_blocks(blocks: list[list[PoolTransaction]], *, watch: bool, chunk: int) -> int:
    """Return how many transactions went all the way through the pool."""
    pool = Pool(compute_limits(pool_limit=4 * BLOCK, pool_kbytes=1 << 20, per_sender=BLOCK))
    done = 0
    for number, block in enumerate(blocks, 1):
        taken: list[bytes] = []
        for start in range(0, len(block), chunk):
            for tx in block[start : start + chunk]:
                pool.submit(tx, number, watch=watch)
            taken += [tx.hash for tx in pool.take(2 * chunk)]
        block_hash = number.to_bytes(32, "big")
        pool.on_block_included(block_hash, number, taken)
        pool.expire(number, number)
        pool.on_finalized(block_hash)
        pool.watchers.drain()
        done += len(taken)
    assert len(pool) == 0
    return done


def main() -> None:
    """Report each case, the least of its turns; asserts that every transaction came through."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else TURNS
    cases = (
        ("one_per_sender", BLOCK, False, False, CHUNK),
        ("ten_per_sender", BLOCK // 10, False, False, CHUNK),
        ("ten_per_sender_tips", BLOCK // 10, True, False, CHUNK),
        ("ten_per_sender_tips_whole_block", BLOCK // 10, True, False, BLOCK),
        ("hundred_per_sender", BLOCK // 100, False, False, CHUNK),
        ("one_per_sender_watched", BLOCK, False, True, CHUNK),
    )
    for name, senders, tips, watch, chunk in cases:
        blocks = make_blocks(senders, tips=tips)
        best_ns = 0
        meter = Meter()
        for _ in range(turns):
            started = time.process_time_ns()
            done = run_blocks(blocks, watch=watch, chunk=chunk)
            took = time.process_time_ns() - started
            best_ns = min(best_ns or took, took)
            assert done == BLOCK * BLOCKS
        report(
            "pool",
            case=name,
            transactions=BLOCK * BLOCKS,
            us_per_transaction=round(best_ns / 1000 / (BLOCK * BLOCKS), 2),
            budget_us=BUDGET_US,
            foreign_cores=meter.read().foreign_cores,
        )


if __name__ == "__main__":
    main()
