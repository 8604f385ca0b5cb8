"""What the Staking pallet is given: its numbers, and what it needs of others as Protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pallets.staking.inflation import Curve, CurveParameters, compute_curve
from pallets.staking.types import HISTORY_DEPTH_MAX, UNLOCKING_MAX
from runtime.frame.dispatch import Origin
from runtime.frame.fungible import Preservation, Reason, Reservable
from runtime.frame.storage import Value
from runtime.primitives.types import AccountId


class Voter(NamedTuple):
    """Somebody who votes in an election with a stake for the candidates listed."""

    who: AccountId
    stake: int
    targets: tuple[AccountId, ...]


class Snapshot(NamedTuple):
    """What an election decides on: candidates in order of their accounts, and voters, the heaviest first."""

    targets: tuple[AccountId, ...]
    voters: tuple[Voter, ...]


class Support(NamedTuple):
    """Who backs a winner, and with how much; the winner's own stake is among it."""

    winner: AccountId
    backers: tuple[tuple[AccountId, int], ...]


class ElectionProvider(Protocol):
    """Who elects validators."""

    def ready(self) -> bool:
        """Tell whether an election can be held now."""
        ...

    def elect(self, seats: int, snapshot: Snapshot) -> tuple[Support, ...] | None:
        """Return at most so many winners with their supports, in an order that the snapshot determines; None
        when the election failed. No backer gives more than its stake."""
        ...


class SortedList(Protocol):
    """The stakers, sorted by stake."""

    def on_insert(self, who: AccountId, stake: int) -> None:
        """Take up a staker that is not in the list."""
        ...

    def on_update(self, who: AccountId, stake: int) -> None:
        """Note another stake of somebody in the list; somebody else changes nothing."""
        ...

    def on_remove(self, who: AccountId) -> None:
        """Forget a staker; somebody else changes nothing."""
        ...

    def iterate(self) -> Iterator[AccountId]:
        """Yield the stakers, the heaviest first."""
        ...


class StakingCurrency(Reservable, Protocol):
    """The currency that is staked."""

    @property
    def total_issuance(self) -> Value[int]:
        """All that is issued."""
        ...

    def reducible_balance(
        self, who: AccountId, preservation: Preservation, *, ignores_freezes: bool = False
    ) -> int:
        """Return what could be withdrawn now, or held where freezes are ignored."""
        ...

    def burn_held(self, reason: Reason, who: AccountId, amount: int) -> int:
        """Burn up to an amount of the hold of a reason; return how much was burnt."""
        ...


class Clock(Protocol):
    """The time of the open block."""

    def now_ms(self) -> int:
        """Return the milliseconds since 1970."""
        ...


class Sessions(Protocol):
    """What the pallet needs of Session."""

    def report_offence(self, validator: AccountId, severity: int) -> None:
        """Disable a validator of the current set, as far as the set bears it; severity in
        thousand-millionths."""
        ...

    def prune_historical_up_to(self, first_kept: int) -> None:
        """Forget past sessions before one."""
        ...


class Restriction(Protocol):
    """Who must not stake."""

    def is_restricted(self, who: AccountId) -> bool:
        """Tell whether an account must not begin to stake."""
        ...


@dataclass(frozen=True, slots=True)
class StakingConfig:
    """The numbers of the chain's staking, and what stands around it; `sessions` is asked for when it is
    needed, for Session stands on this pallet. `admin` raises for origins that may neither cancel slashes nor
    set the least commission."""

    currency: StakingCurrency
    clock: Clock
    election: ElectionProvider
    voters: SortedList
    sessions: Callable[[], Sessions]
    treasury: AccountId
    admin: Callable[[Origin], None]
    curve: CurveParameters
    sessions_per_era: int = 6
    bonding_duration: int = 28
    slash_defer_duration: int = 27
    history_depth: int = HISTORY_DEPTH_MAX
    max_exposure_page_size: int = 512
    max_unlocking_chunks: int = UNLOCKING_MAX
    max_voters: int = 22_500
    max_targets: int = 1_000
    max_winners: int = 1_000
    restriction: Restriction | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that contradict each other."""
        assert self.sessions_per_era > 0, "an era has sessions"
        assert self.slash_defer_duration < self.bonding_duration, "slashes come before stakes can leave"
        assert self.history_depth <= HISTORY_DEPTH_MAX, "ledgers have no room for a longer history"
        assert 0 < self.max_unlocking_chunks <= UNLOCKING_MAX, "ledgers have no room for more chunks"
        assert self.max_exposure_page_size > 0, "a page has nominators"

    def reward_curve(self) -> Curve:
        """Return the corners of the reward curve."""
        return compute_curve(self.curve)


def free_to_stake(currency: StakingCurrency, who: AccountId) -> int:
    """Return how much more an account could stake, frozen or not: the existential deposit stays free."""
    return currency.reducible_balance(who, Preservation.PROTECT, ignores_freezes=True)
