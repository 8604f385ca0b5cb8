"""Payouts: the rewards of an era, from the exposure of that era and nothing else.

Responsible for who gets how much of an era's payout, once for each page. Source: pallet_staking's
`do_payout_stakers_by_page` of polkadot-stable2503.
"""

from __future__ import annotations

from msgspec import structs

from pallets.staking import errors, events
from pallets.staking.config import StakingConfig
from pallets.staking.eras import Eras
from pallets.staking.ledger import Ledgers, part_of
from pallets.staking.store import StakingStore
from pallets.staking.types import BILLION, Account, Controller, ExposurePage, Staked, Stash
from runtime.primitives.types import AccountId


class Payouts:
    """The payouts of one pallet instance."""

    def __init__(self, store: StakingStore, config: StakingConfig, ledgers: Ledgers, eras: Eras) -> None:
        self.store = store
        self.config = config
        self.ledgers = ledgers
        self.eras = eras

    def pay_next(self, stash: AccountId, era: int) -> None:
        """Pay the first page that is not paid."""
        self.ledgers.of_stash(stash)
        self._ensure_payable(era)
        claimed = self.store.claimed_rewards.get(era, stash)
        pages = self.eras.page_count(era, stash)
        page = next((page for page in range(pages) if page not in claimed), None)
        if page is None:
            raise self.store.error(errors.AlreadyClaimed if pages else errors.InvalidEraToReward)
        self.pay_page(stash, era, page)

    def pay_page(self, stash: AccountId, era: int, page: int) -> None:
        """Pay a page of nominators behind a validator, and the validator what belongs to the page."""
        store = self.store
        payout = self._ensure_payable(era)
        if page >= self.eras.page_count(era, stash):
            raise store.error(errors.InvalidPage)
        self.ledgers.of_stash(stash)
        claimed = store.claimed_rewards.get(era, stash)
        if page in claimed:
            raise store.error(errors.AlreadyClaimed)
        store.claimed_rewards.put(era, stash, (*claimed, page))
        points = store.eras_reward_points.get(era)
        own_points = dict(points.individual).get(stash, 0)
        if own_points == 0:
            return
        unpaid = (p for p in range(self.eras.page_count(era, stash)) if p != page and p not in claimed)
        store.deposit(events.PayoutStarted(era, stash, page, next(unpaid, None)))
        self._share(stash, era, page, part_of(_parts(own_points, points.total), payout))

    def _ensure_payable(self, era: int) -> int:
        """Return the payout of an era; InvalidEraToReward where there is none (any more)."""
        current = self.store.current_era.get()
        payout = self.store.eras_validator_reward.get(era)
        if current is None or payout is None or not current - self.config.history_depth <= era <= current:
            raise self.store.error(errors.InvalidEraToReward)
        return payout

    def _share(self, stash: AccountId, era: int, page: int, amount: int) -> None:
        """Share out what a validator and its nominators get, as far as it belongs to a page."""
        store = self.store
        overview = store.eras_stakers_overview.get(era, stash)
        assert overview is not None, "pages are of a validator with an exposure"
        found = store.eras_stakers_paged.get((era, stash, page)) or ExposurePage()
        own = overview.own if page == 0 else 0
        commission = part_of(store.eras_validator_prefs.get(era, stash).commission, amount)
        rest = amount - commission
        of_page = part_of(_parts(found.page_total + own, overview.total), commission)
        self._pay(stash, part_of(_parts(own, overview.total), rest) + of_page)
        for other in found.others:
            self._pay(other.who, part_of(_parts(other.value, overview.total), rest))

    def _pay(self, stash: AccountId, amount: int) -> None:
        """Issue a reward to where a staker wants it; nobody gets what would be lost."""
        dest, currency = self.store.payee.get(stash), self.config.currency
        if amount == 0 or dest is None:
            return
        match dest:
            case Staked() | Stash():
                if currency.total_balance(stash) == 0:
                    return
                currency.deposit_creating(stash, amount)
                if isinstance(dest, Staked):
                    ledger = self.ledgers.of_stash(stash)
                    self.ledgers.put(
                        structs.replace(ledger, total=ledger.total + amount, active=ledger.active + amount)
                    )
            case Account(who):
                currency.deposit_creating(who, amount)
            case Controller():
                currency.deposit_creating(self.ledgers.of_stash(stash).stash, amount)
            case _:
                return
        self.store.deposit(events.Rewarded(stash, dest, amount))


def _parts(numerator: int, denominator: int) -> int:
    """Return a share in thousand-millionths, rounded down."""
    return numerator * BILLION // denominator if denominator else 0
