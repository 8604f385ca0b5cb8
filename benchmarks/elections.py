"""Cost of an election by each method, on stakes and choices that are uneven as on a public chain.

`python -m benchmarks.elections [VOTERS…]` prints a JSON line for each number of voters (200, 2,000 and 20,000
unless told, with a tenth as many candidates, 1,000 at most, and half of these seats, 100 at most; 16 targets
a voter) and each method. `elect_s` is processor time of this process for graph, election and outcome, `units`
the visits that the resumable form counts, `check_s` what checking the outcome takes. Every result is checked:
all stake of voters with a winner is assigned.
"""

import gc
import sys
import time
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from blake3 import blake3

from benchmarks.measure import Meter, progress, report
from pallets.staking.balancing import Balancing
from pallets.staking.election import Election, Method
from pallets.staking.election_graph import Snapshot, Voter
from pallets.staking.solution import Solution, check_solution
from runtime.primitives.types import AccountId

SIZES: Final = (200, 2_000, 20_000)
TARGETS: Final = 16
UNIT: Final = 10**12
METHODS: Final = (
    (Method.PHRAGMEN, None),
    (Method.PHRAGMEN, Balancing(10, 0)),
    (Method.PHRAGMMS, None),
    (Method.PHRAGMMS, Balancing(1, 0)),
)
RESUMED_UNITS: Final = 10_000


def numbers(seed: int) -> Iterator[int]:
    """The same 64-bit numbers on every run."""
    block = 0
    while True:
        digest = blake3(seed.to_bytes(8, "little") + block.to_bytes(8, "little")).digest(length=4096)
        for place in range(0, 4096, 8):
            yield int.from_bytes(digest[place : place + 8], "little")
        block += 1


def draw_snapshot(voters: int) -> tuple[Snapshot, int]:
    """A tenth as many candidates, the first ones more popular; most stakes small, a few large."""
    stream = numbers(voters)
    count = min(1_000, max(voters // 10, 20))
    candidates = tuple(AccountId(blake3(b"c" + place.to_bytes(4, "big")).digest()) for place in range(count))
    shares = list(accumulate(10**6 // (place + 20) for place in range(count)))
    drawn = tuple(
        Voter(
            AccountId(blake3(b"v" + place.to_bytes(4, "big")).digest()),
            100 * UNIT + 10**7 * UNIT // (1 + next(stream) % 10**6),
            draw_targets(stream, candidates, shares),
        )
        for place in range(voters)
    )
    return Snapshot(candidates, drawn), min(100, count // 2)


def draw_targets(
    stream: Iterator[int], candidates: tuple[AccountId, ...], shares: list[int]
) -> tuple[AccountId, ...]:
    chosen: dict[AccountId, None] = {}
    while len(chosen) < TARGETS:
        point = next(stream) % shares[-1]
        low, high = 0, len(shares) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if shares[middle] <= point else (low, middle)
        chosen[candidates[low]] = None
    return tuple(chosen)


def measure(voters: int, method: Method, balancing: Balancing | None) -> None:
    snapshot, seats = draw_snapshot(voters)
    gc.collect()
    meter = Meter()
    started = time.process_time()
    election = Election(snapshot, seats, method, balancing)
    longest = 0.0
    while not election.is_done:
        before = time.process_time()
        election.step(RESUMED_UNITS)
        longest = max(longest, time.process_time() - before)
    outcome = election.outcome()
    took = time.process_time() - started
    assert len(outcome.winners) == seats, "all seats are taken"
    solution = Solution(tuple(who for who, _ in outcome.winners), outcome.assignments)
    started = time.process_time()
    score = check_solution(snapshot, solution, seats)
    checked = time.process_time() - started
    backers = {who for who, _ in outcome.assignments}
    assert score.sum_stake == sum(voter.stake for voter in snapshot.voters if voter.who in backers), "no loss"
    report(
        "elections",
        foreign_cores=meter.read().foreign_cores,
        method=method.value,
        balancing=balancing.iterations if balancing else 0,
        candidates=len(snapshot.candidates),
        voters=voters,
        seats=seats,
        edges=sum(len(voter.targets) for voter in snapshot.voters),
        elect_s=round(took, 3),
        longest_step_ms=round(longest * 1000, 1),
        step_units=RESUMED_UNITS,
        units=election.units_spent,
        check_s=round(checked, 3),
        score=[str(value) for value in score],
    )


def main() -> None:
    for voters in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
        for method, balancing in METHODS:
            progress(f"{voters} voters, {method.value}, {balancing}")
            measure(voters, method, balancing)


if __name__ == "__main__":
    main()
