"""All that a run tells: the outcome, what else the chain recorded, and whether it is what it should be.

Responsible for shapes and for the comparison. It knows no connection, and not how anything is shown.
"""

from __future__ import annotations

from typing import NamedTuple

from apps.demo.outcome import Outcome, list_differences
from apps.demo.week import WEEK_HOURS, Week


class Settled(NamedTuple):
    """What accounts really have at the end, less what they began with: the homes in order, the pots of fees,
    wheeling and penalties, and the operator, who stood for the grid."""

    homes: tuple[int, ...]
    fees: int
    wheeling: int
    grid: int
    penalties: int


class EpochRoot(NamedTuple):
    """A netted day: the Merkle root over its rows, how many there are, and what was paid."""

    epoch: int
    root: bytes
    rows: int
    net_debits: int
    net_credits: int
    block: int


class TradesRoot(NamedTuple):
    """The Merkle root over an hour's rows of trades, and how many there are."""

    root: bytes
    rows: int


class Measured(NamedTuple):
    """What the oracle said at the end of an hour: the value of each feed, and how many providers counted."""

    values: dict[str, int]
    providers: int


class Certified(NamedTuple):
    """A home's certificates: how many whole ones, of 1 MWh, and the Wh that wait for the next."""

    issued: int
    remainder_wh: int


class Passage(NamedTuple):
    """How the run went: the chain, its blocks, and how long an hour of the week took."""

    chain: str
    genesis: bytes
    nodes: int
    first_block: int
    last_block: int
    transactions: int
    slot_ms: int
    first_slot: int
    took_s: float
    zone: int


class Story(NamedTuple):
    """A run of the demonstration."""

    week: Week
    outcome: Outcome
    settled: Settled
    passage: Passage
    epochs: tuple[EpochRoot, ...]
    trades: tuple[TradesRoot | None, ...]
    """Of each hour; none where there was no order."""
    measured: tuple[Measured, ...]
    certified: tuple[Certified, ...]
    grid_fees: tuple[int, ...]
    """Of each home, in smallest units of GRID."""
    supervision: dict[str, int]
    """What the regulator's pallets counted, by name of the event."""

    @property
    def is_whole_week(self) -> bool:
        """Whether all hours were played."""
        return self.week.skipped == 0 and len(self.outcome.hours) == WEEK_HOURS


class Check(NamedTuple):
    """One comparison: what of, and a sentence for each difference."""

    name: str
    differences: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """Whether there is no difference."""
        return not self.differences


def list_checks(story: Story, computed: Outcome) -> tuple[Check, ...]:
    """Compare what accounts have with the events of the blocks, those with the computation, and a whole week
    with what the independent script found."""
    checks = [
        Check("balances on the chain and the events of its blocks", _compare_balances(story)),
        Check(
            "events of the blocks and the rules computed alone",
            tuple(list_differences(story.outcome, computed)),
        ),
    ]
    if story.is_whole_week:
        checks.append(Check("balances on the chain and the independent script", _compare_expected(story)))
    return tuple(checks)


def _compare_balances(story: Story) -> tuple[str, ...]:
    outcome, settled = story.outcome, story.settled
    wanted = tuple(total.money for total in outcome.totals)
    sums = (outcome.fees, outcome.wheeling, outcome.grid_cash, outcome.penalties)
    return _compare(story.week, settled, Settled(wanted, *sums))


def _compare_expected(story: Story) -> tuple[str, ...]:
    expected = story.week.expected
    wanted = Settled(expected.balances, expected.fees, expected.wheeling, expected.grid, expected.penalties)
    rows = [
        f"hour {number}: found {hour.row}, expected {row}"
        for number, (hour, row) in enumerate(zip(story.outcome.hours, expected.hours, strict=True))
        if hour.row != row
    ]
    return (*_compare(story.week, story.settled, wanted), *rows)


def _compare(week: Week, found: Settled, wanted: Settled) -> tuple[str, ...]:
    names = (*week.homes, "fees", "wheeling", "grid", "penalties")
    pairs = zip(names, (*found.homes, *found[1:]), (*wanted.homes, *wanted[1:]), strict=True)
    return tuple(f"{name}: {has} units, expected {wants}" for name, has, wants in pairs if has != wants)
