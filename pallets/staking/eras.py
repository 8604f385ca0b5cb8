"""Eras: elections ahead of time, exposures frozen, sessions counted, payouts set, history forgotten.

Responsible for what Session asks when it plans, starts and ends sessions. An era is planned one session ahead
of its start; what stands behind its validators is frozen then. Source: pallet_staking of polkadot-stable2503.
"""

from __future__ import annotations

from pallets.staking import events
from pallets.staking.config import Snapshot, StakingConfig, Support, Voter
from pallets.staking.inflation import compute_era_payout
from pallets.staking.ledger import Ledgers
from pallets.staking.slashing import Slashing
from pallets.staking.store import StakingStore
from pallets.staking.types import (
    ActiveEraInfo,
    EraRewardPoints,
    Exposure,
    ExposurePage,
    Forcing,
    IndividualExposure,
    PagedExposureMetadata,
)
from runtime.primitives.types import AccountId


class Eras:
    """The eras of one pallet instance: the session manager of the chain."""

    def __init__(
        self, store: StakingStore, config: StakingConfig, ledgers: Ledgers, slashing: Slashing
    ) -> None:
        self.store = store
        self.config = config
        self.ledgers = ledgers
        self.slashing = slashing
        self.curve = config.reward_curve()

    # --- what Session asks

    def new_session(self, index: int) -> tuple[AccountId, ...] | None:
        """Plan a session; return its validators where an era begins with it."""
        store = self.store
        store.current_planned_session.put(index)
        current = store.current_era.get()
        if current is None:
            return self._try_new_era(index)
        age = index - (store.eras_start_session_index.get(current) or 0)
        force = store.force_era.get()
        in_time = force is Forcing.NotForcing and age >= self.config.sessions_per_era
        if not in_time and force not in {Forcing.ForceNew, Forcing.ForceAlways}:
            return None
        elected = self._try_new_era(index)
        if elected is not None and force is Forcing.ForceNew:
            self.set_force(Forcing.NotForcing)
        return elected

    def start_session(self, index: int) -> None:
        """Start a session, and the era that was planned to start with it."""
        active = self.store.active_era.get()
        following = 0 if active is None else active.index + 1
        start = self.store.eras_start_session_index.get(following)
        if start is not None and start <= index:
            self._start_era(following, index)

    def end_session(self, index: int) -> None:
        """End a session, and the active era if the next one starts after it."""
        active = self.store.active_era.get()
        if active is None:
            return
        if self.store.eras_start_session_index.get(active.index + 1) == index + 1:
            self._end_era(active)

    def note_start(self, now_ms: int) -> None:
        """Note when the active era started, once."""
        active = self.store.active_era.get()
        if active is not None and active.start is None:
            self.store.active_era.put(ActiveEraInfo(active.index, now_ms))

    def set_force(self, mode: Forcing) -> None:
        """Let eras begin in another way."""
        self.store.force_era.put(mode)
        self.store.deposit(events.ForceEra(mode))

    def reward_by_ids(self, points: tuple[tuple[AccountId, int], ...]) -> None:
        """Give validators points of the active era."""
        active = self.store.active_era.get()
        if active is None:
            return
        kept = self.store.eras_reward_points.get(active.index)
        individual = dict(kept.individual)
        for who, amount in points:
            individual[who] = individual.get(who, 0) + amount
        total = kept.total + sum(amount for _, amount in points)
        self.store.eras_reward_points.put(
            active.index, EraRewardPoints(total, tuple(sorted(individual.items())))
        )

    # --- exposures

    def exposure(self, era: int, stash: AccountId) -> Exposure:
        """Return all that stood behind a validator in an era."""
        overview = self.store.eras_stakers_overview.get(era, stash)
        if overview is None:
            return Exposure()
        pages = (self.store.eras_stakers_paged.get((era, stash, page)) for page in range(overview.page_count))
        others = tuple(other for page in pages if page is not None for other in page.others)
        return Exposure(overview.total, overview.own, others)

    def page_count(self, era: int, stash: AccountId) -> int:
        """Return in how many pages the rewards of a validator's era are paid, 0 of one that was none."""
        overview = self.store.eras_stakers_overview.get(era, stash)
        return 0 if overview is None else max(1, overview.page_count)

    # --- leaves

    def _snapshot(self) -> Snapshot:
        store = self.store
        targets = sorted(who for who, _ in store.validators.items())
        if len(targets) > self.config.max_targets:
            store.deposit(events.SnapshotTargetsSizeExceeded(len(targets)))
        voters: list[Voter] = []
        for who in self.config.voters.iterate():
            if len(voters) == self.config.max_voters:
                store.deposit(events.SnapshotVotersSizeExceeded(len(voters)))
                break
            nominations, stake = store.nominators.get(who), self.ledgers.active(who)
            chosen = (who,) if nominations is None else nominations.targets
            if stake and chosen:
                voters.append(Voter(who, stake, chosen))
        return Snapshot(tuple(targets[: self.config.max_targets]), tuple(voters))

    def _try_new_era(self, session: int) -> tuple[AccountId, ...] | None:
        """Elect validators and plan an era with them; None when there are too few, and the old ones stay."""
        store = self.store
        supports: tuple[Support, ...] | None = None
        if self.config.election.ready():
            supports = self.config.election.elect(store.validator_count.get(), self._snapshot())
        exposures = [_expose(support) for support in supports or ()]
        exposures = [(who, exposure) for who, exposure in exposures if exposure.total]
        if len(exposures) < max(1, store.minimum_validator_count.get()):
            store.deposit(events.StakingElectionFailed())
            return None
        current = store.current_era.get()
        era = 0 if current is None else current + 1
        store.current_era.put(era)
        store.eras_start_session_index.put(era, session)
        self._forget(era - self.config.history_depth - 1)
        for stash, exposure in exposures:
            self._freeze(era, stash, exposure)
        store.eras_total_stake.put(era, sum(exposure.total for _, exposure in exposures))
        nominators = [
            other.value for _, exposure in exposures for other in exposure.others
        ]  # one entry for each validator
        store.minimum_active_stake.put(min(nominators, default=0))
        store.deposit(events.StakersElected())
        return tuple(stash for stash, _ in exposures)

    def _freeze(self, era: int, stash: AccountId, exposure: Exposure) -> None:
        """Write down what stands behind a validator in an era, and its commission."""
        store, size = self.store, self.config.max_exposure_page_size
        starts = range(0, len(exposure.others), size)
        overview = PagedExposureMetadata(exposure.total, exposure.own, len(exposure.others), len(starts))
        store.eras_stakers_overview.put(era, stash, overview)
        for page, start in enumerate(starts):
            others = exposure.others[start : start + size]
            total = sum(other.value for other in others)
            store.eras_stakers_paged.put((era, stash, page), ExposurePage(total, others))
        store.eras_validator_prefs.put(era, stash, store.validators.get(stash))

    def _forget(self, era: int) -> None:
        """Drop all that is remembered of an era."""
        if era < 0:
            return
        store, size = self.store, 1 << 32
        store.eras_stakers_overview.clear_prefix(era, size)
        store.eras_stakers_paged.clear_prefix((era,), size)
        store.eras_validator_prefs.clear_prefix(era, size)
        store.claimed_rewards.clear_prefix(era, size)
        store.eras_validator_reward.remove(era)
        store.eras_reward_points.remove(era)
        store.eras_total_stake.remove(era)
        store.eras_start_session_index.remove(era)

    def _start_era(self, era: int, session: int) -> None:
        store = self.store
        store.active_era.put(ActiveEraInfo(era))
        bonded = (*store.bonded_eras.get(), (era, session))
        first_kept = era - self.config.bonding_duration
        for old, _ in bonded:
            if old < first_kept:
                self.slashing.forget_era(old)
        bonded = tuple((old, start) for old, start in bonded if old >= first_kept)
        store.bonded_eras.put(bonded)
        self.config.sessions().prune_historical_up_to(bonded[0][1])
        self.slashing.apply_due(era)

    def _end_era(self, active: ActiveEraInfo) -> None:
        """Set the payout of the era that ends; what stakers do not get goes to the treasury."""
        if active.start is None:
            return
        store, currency = self.store, self.config.currency
        duration = self.config.clock.now_ms() - active.start
        staked = store.eras_total_stake.get(active.index)
        payout = compute_era_payout(self.curve, staked, currency.total_issuance.get(), max(0, duration))
        whole, most = payout.stakers + payout.remainder, store.max_staked_rewards.get()
        stakers = payout.stakers if most is None else min(payout.stakers, whole * min(most, 100) // 100)
        store.eras_validator_reward.put(active.index, stakers)
        store.deposit(events.EraPaid(active.index, stakers, whole - stakers))
        currency.deposit_creating(self.config.treasury, whole - stakers)


def _expose(support: Support) -> tuple[AccountId, Exposure]:
    """Return a winner with its own stake and that of others apart."""
    own = sum(value for who, value in support.backers if who == support.winner)
    others = tuple(
        IndividualExposure(who, value) for who, value in support.backers if who != support.winner and value
    )
    return support.winner, Exposure(own + sum(other.value for other in others), own, others)
