"""Staking: validators and nominators put their balance at stake, earn for it, and lose it when validators
offend.

Responsible for the calls, the storage and the invariants; the rules are in the modules beside it: `ledger`
(stakes in and out), `eras` (elections and sessions), `payouts`, `slashing`. It knows the currency, the
election, the sorted list and Session as Protocols. Names, numbers and layouts are pallet_staking's of
polkadot-stable2503 (docs/decisions/015-staking-release.md). Left out, with their numbers kept free: separate
controllers (`set_controller`, `update_payee`, `deprecate_controller_batch`), `restore_ledger`,
`migrate_currency`, virtual stakers.

Invariant (checked by `try_state`): what is held from each account is its ledger's total, which is the sum of
its parts; nobody is validator and nominator at once; exposures are the sums of their pages.
"""

from __future__ import annotations

from enum import IntEnum
from types import ModuleType
from typing import Annotated, ClassVar

from msgspec import structs

from pallets.staking import errors, events, weights
from pallets.staking.config import StakingConfig
from pallets.staking.eras import Eras
from pallets.staking.ledger import Ledgers
from pallets.staking.payouts import Payouts
from pallets.staking.slashing import Slashing
from pallets.staking.store import StakingStore
from pallets.staking.types import (
    BILLION,
    NOMINATIONS_MAX,
    TARGETS_ARGUMENT_MAX,
    UNLOCKING_MAX,
    VALIDATORS_MAX,
    ActiveEraInfo,
    ConfigOpBalance,
    ConfigOpCount,
    ConfigOpPercent,
    Controller,
    EraRewardPoints,
    Exposure,
    ExposurePage,
    Forcing,
    HoldReason,
    Nominations,
    Noop,
    PagedExposureMetadata,
    Remove,
    RewardDestination,
    SetBalance,
    SetCount,
    SetPercent,
    SlashingSpansRecord,
    SpanRecord,
    Staked,
    StakingLedger,
    UnappliedSlash,
    ValidatorPrefs,
)
from runtime.frame.account import lookup
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, Pays, PostDispatchInfo, Weight, ensure_root, ensure_signed
from runtime.frame.fungible import Reason
from runtime.frame.pallet import Binding, Pallet, constant
from runtime.frame.storage import (
    BLAKE2_128_CONCAT,
    TWOX_64_CONCAT,
    CountedMap,
    DoubleMap,
    Map,
    NMap,
    Value,
    storage,
)
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.scale import Compact, MaxLen, u8, u32, u128
from runtime.primitives.types import AccountId

Targets = Annotated[tuple[MultiAddress, ...], MaxLen(TARGETS_ARGUMENT_MAX)]
FREE = PostDispatchInfo(None, Pays.No)


class Staking(Pallet[StakingConfig]):
    """Stakes, eras, rewards and slashes."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (errors, events)
    hold_reasons: ClassVar[type[IntEnum] | None] = HoldReason

    validator_count: Value[u32] = storage(default=0, docs="The ideal number of active validators.")
    minimum_validator_count: Value[u32] = storage(default=0, docs="Fewer validators are no new set.")
    invulnerables: Value[Annotated[tuple[AccountId, ...], MaxLen(VALIDATORS_MAX)]] = storage(
        default=(), docs="Validators that are never slashed."
    )
    bonded: Map[AccountId, AccountId | None] = storage(
        TWOX_64_CONCAT, docs="From a stash to the account that controls it, itself."
    )
    min_nominator_bond: Value[u128] = storage(default=0, docs="The least active stake of a nominator.")
    min_validator_bond: Value[u128] = storage(default=0, docs="The least active stake of a validator.")
    minimum_active_stake: Value[u128] = storage(
        default=0, docs="The least stake of a nominator behind a validator in the last election."
    )
    min_commission: Value[u32] = storage(default=0, docs="The least commission, in thousand-millionths.")
    ledger: Map[AccountId, StakingLedger | None] = storage(
        BLAKE2_128_CONCAT, docs="What an account has staked, by the account that controls it."
    )
    payee: Map[AccountId, RewardDestination | None] = storage(
        TWOX_64_CONCAT, docs="Where the rewards of a stash go."
    )
    validators: CountedMap[AccountId, ValidatorPrefs] = storage(
        TWOX_64_CONCAT, default=ValidatorPrefs(), docs="Who wants to validate, and how."
    )
    max_validators_count: Value[u32 | None] = storage(docs="Most validators, no limit where not set.")
    nominators: CountedMap[AccountId, Nominations | None] = storage(
        TWOX_64_CONCAT, docs="Who nominates, and whom."
    )
    max_nominators_count: Value[u32 | None] = storage(docs="Most nominators, no limit where not set.")
    current_era: Value[u32 | None] = storage(docs="The latest planned era.")
    active_era: Value[ActiveEraInfo | None] = storage(docs="The era that is rewarded now.")
    eras_start_session_index: Map[u32, u32 | None] = storage(
        TWOX_64_CONCAT, docs="The session in which an era starts."
    )
    eras_stakers: DoubleMap[u32, AccountId, Exposure] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, default=Exposure(), docs="Retired: see ErasStakersOverview."
    )
    eras_stakers_overview: DoubleMap[u32, AccountId, PagedExposureMetadata | None] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, docs="What stands behind a validator in an era."
    )
    eras_stakers_clipped: DoubleMap[u32, AccountId, Exposure] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, default=Exposure(), docs="Retired: see ErasStakersPaged."
    )
    eras_stakers_paged: NMap[tuple[u32, AccountId, u32], ExposurePage | None] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, TWOX_64_CONCAT, docs="The nominators behind a validator in an era."
    )
    claimed_rewards: DoubleMap[u32, AccountId, Annotated[tuple[u32, ...], MaxLen(1_000_000)]] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, default=(), docs="The pages whose rewards are paid."
    )
    eras_validator_prefs: DoubleMap[u32, AccountId, ValidatorPrefs] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, default=ValidatorPrefs(), docs="The preferences that count in an era."
    )
    eras_validator_reward: Map[u32, u128 | None] = storage(
        TWOX_64_CONCAT, docs="The payout of an era that is over, for all stakers."
    )
    eras_reward_points: Map[u32, EraRewardPoints] = storage(
        TWOX_64_CONCAT, default=EraRewardPoints(), docs="The points of an era."
    )
    eras_total_stake: Map[u32, u128] = storage(
        TWOX_64_CONCAT, default=0, docs="All that stands behind the validators of an era."
    )
    force_era: Value[Forcing] = storage(default=Forcing.NotForcing, docs="How eras begin.")
    max_staked_rewards: Value[u8 | None] = storage(
        docs="Most that stakers get of what is issued for an era, in hundredths."
    )
    slash_reward_fraction: Value[u32] = storage(
        default=0, docs="The part of a slash that reporters get at most, in thousand-millionths."
    )
    canceled_slash_payout: Value[u128] = storage(default=0, docs="What reporters lost by canceled slashes.")
    unapplied_slashes: Map[u32, Annotated[tuple[UnappliedSlash, ...], MaxLen(100_000)]] = storage(
        TWOX_64_CONCAT, default=(), docs="The slashes that are applied when an era starts."
    )
    bonded_eras: Value[Annotated[tuple[tuple[u32, u32], ...], MaxLen(10_000)]] = storage(
        default=(), docs="The eras that can still be slashed, with the session each started in."
    )
    validator_slash_in_era: DoubleMap[u32, AccountId, tuple[u32, u128] | None] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, docs="A validator's greatest slash of an era."
    )
    nominator_slash_in_era: DoubleMap[u32, AccountId, u128 | None] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, docs="A nominator's slash of an era."
    )
    slashing_spans: Map[AccountId, SlashingSpansRecord | None] = storage(
        TWOX_64_CONCAT, docs="The slashing spans of an account."
    )
    span_slash: Map[tuple[AccountId, u32], SpanRecord] = storage(
        TWOX_64_CONCAT, default=SpanRecord(), docs="The greatest slash of a span."
    )
    current_planned_session: Value[u32] = storage(default=0, docs="The last planned session.")
    chill_threshold: Value[u8 | None] = storage(
        docs="How full a role must be, in hundredths, for others to chill those below the least stake."
    )

    def __init__(self, binding: Binding, config: StakingConfig) -> None:
        super().__init__(binding, config)
        names = [field for field in StakingStore.__slots__ if field not in {"error", "deposit"}]
        self.store = StakingStore(
            **{name: getattr(self, name) for name in names}, error=self.error, deposit=self.deposit
        )
        self.ledgers = Ledgers(self.store, config, Reason(self.index, HoldReason.Staking))
        self.slashing = Slashing(self.store, config, self.ledgers, self.exposure)
        self.eras = Eras(self.store, config, self.ledgers, self.slashing)
        self.payouts = Payouts(self.store, config, self.ledgers, self.eras)

    @constant
    def sessions_per_era(self) -> u32:
        """Number of sessions of an era."""
        return self.config.sessions_per_era

    @constant
    def bonding_duration(self) -> u32:
        """Number of eras for which a stake stays bonded after it was unbonded."""
        return self.config.bonding_duration

    @constant
    def slash_defer_duration(self) -> u32:
        """Number of eras by which slashes are deferred."""
        return self.config.slash_defer_duration

    @constant
    def history_depth(self) -> u32:
        """Number of eras that are remembered."""
        return self.config.history_depth

    @constant
    def max_exposure_page_size(self) -> u32:
        """Most nominators of a page."""
        return self.config.max_exposure_page_size

    @constant
    def max_unlocking_chunks(self) -> u32:
        """Most parts of a stake that are unlocking at once."""
        return self.config.max_unlocking_chunks

    # --- genesis and hooks

    def genesis(
        self,
        validators: tuple[tuple[AccountId, int], ...],
        nominators: tuple[tuple[AccountId, int, tuple[AccountId, ...]], ...] = (),
        *,
        validator_count: int,
        minimum_validator_count: int = 1,
        slash_reward_fraction: int = BILLION // 10,
    ) -> None:
        """Bond the stakers that the chain starts with; after the balances of genesis."""
        assert validator_count <= self.config.max_winners, "the election can fill the seats"
        self.validator_count.put(validator_count)
        self.minimum_validator_count.put(minimum_validator_count)
        self.slash_reward_fraction.put(slash_reward_fraction)
        for who, stake in validators:
            self.ledgers.bond(who, stake, Staked())
            self.ledgers.add_validator(who, ValidatorPrefs())
        for who, stake, targets in nominators:
            self.ledgers.bond(who, stake, Staked())
            self.ledgers.add_nominator(who, Nominations(targets, 0))

    def on_initialize(self, number: int) -> Weight:  # noqa: ARG002  # the same in every block
        """Account for the work of on_finalize."""
        return weights.STAKING_HOOKS

    def on_finalize(self, number: int) -> None:  # noqa: ARG002  # the same in every block
        """Note when the active era started."""
        self.eras.note_start(self.config.clock.now_ms())

    # --- calls of stakers

    @call(0, weight=weights.STAKING_CALL)
    def bond(self, origin: Origin, value: Compact[u128], payee: RewardDestination) -> None:
        """Put up to a value of the sender's balance at stake; rewards go to the payee."""
        self.ledgers.bond(ensure_signed(origin), value, payee)

    @call(1, weight=weights.STAKING_CALL)
    def bond_extra(self, origin: Origin, max_additional: Compact[u128]) -> None:
        """Add up to an amount to the sender's stake."""
        self.ledgers.bond_extra(ensure_signed(origin), max_additional)

    @call(2, weight=weights.STAKING_CALL)
    def unbond(self, origin: Origin, value: Compact[u128]) -> None:
        """Begin to unlock a part of the sender's stake; it can be withdrawn after the bonding duration."""
        self.ledgers.unbond(ensure_signed(origin), value)

    @call(3, weight=weights.STAKING_CALL)
    def withdraw_unbonded(self, origin: Origin, num_slashing_spans: u32) -> None:
        """Take out what has been unlocking for long enough. The number is that of the sender's slashing
        spans."""
        self.ledgers.withdraw_unbonded(ensure_signed(origin), num_slashing_spans)

    @call(4, weight=weights.STAKING_CALL)
    def validate(self, origin: Origin, prefs: ValidatorPrefs) -> None:
        """Become a validator from the next era on that elects the sender."""
        ledger = self.ledgers.of_controller(ensure_signed(origin))
        stash = ledger.stash
        if ledger.active < self.min_validator_bond.get():
            raise self.error(errors.InsufficientBond)
        prefs = structs.replace(prefs, commission=min(prefs.commission, BILLION))
        if prefs.commission < self.min_commission.get():
            raise self.error(errors.CommissionTooLow)
        limit = self.max_validators_count.get()
        if not self.validators.contains(stash) and limit is not None and self.validators.count() >= limit:
            raise self.error(errors.TooManyValidators)
        self.ledgers.remove_nominator(stash)
        self.ledgers.add_validator(stash, prefs)
        self.deposit(events.ValidatorPrefsSet(stash, prefs))

    @call(5, weight=weights.STAKING_CALL)
    def nominate(self, origin: Origin, targets: Targets) -> None:
        """Support validators with the sender's stake from the next era on."""
        ledger = self.ledgers.of_controller(ensure_signed(origin))
        stash = ledger.stash
        if ledger.active < self.min_nominator_bond.get():
            raise self.error(errors.InsufficientBond)
        old, limit = self.nominators.get(stash), self.max_nominators_count.get()
        if old is None and limit is not None and self.nominators.count() >= limit:
            raise self.error(errors.TooManyNominators)
        if not targets:
            raise self.error(errors.EmptyTargets)
        chosen = tuple(dict.fromkeys(lookup(target) for target in targets))
        if len(chosen) > NOMINATIONS_MAX:
            raise self.error(errors.TooManyTargets)
        kept = () if old is None else old.targets
        if any(self.validators.get(who).blocked for who in chosen if who not in kept):
            raise self.error(errors.BadTarget)
        self.ledgers.remove_validator(stash)
        self.ledgers.add_nominator(stash, Nominations(chosen, self.ledgers.current_era()))

    @call(6, weight=weights.STAKING_CALL)
    def chill(self, origin: Origin) -> None:
        """Be neither validator nor nominator from the next era on; the stake stays."""
        self.ledgers.chill(self.ledgers.of_controller(ensure_signed(origin)).stash)

    @call(7, weight=weights.STAKING_CALL)
    def set_payee(self, origin: Origin, payee: RewardDestination) -> None:
        """Let the sender's rewards go elsewhere."""
        ledger = self.ledgers.of_controller(ensure_signed(origin))
        if isinstance(payee, Controller):
            raise self.error(errors.ControllerDeprecated)
        self.payee.put(ledger.stash, payee)

    @call(18, weight=weights.STAKING_CALL)
    def payout_stakers(self, origin: Origin, validator_stash: AccountId, era: u32) -> None:
        """Pay the next page of a validator's rewards of an era. Anyone can."""
        ensure_signed(origin)
        self.payouts.pay_next(validator_stash, era)

    @call(19, weight=weights.STAKING_CALL)
    def rebond(self, origin: Origin, value: Compact[u128]) -> None:
        """Put at stake again what is unlocking, the latest first."""
        self.ledgers.rebond(ensure_signed(origin), value)

    @call(20, weight=weights.STAKING_CALL)
    def reap_stash(self, origin: Origin, stash: AccountId, num_slashing_spans: u32) -> PostDispatchInfo:
        """Forget a stake below the existential deposit. Anyone can; costs nothing."""
        ensure_signed(origin)
        controller = self.bonded.get(stash)
        found = None if controller is None else self.ledger.get(controller)
        if found is not None and found.total >= self.ledgers.minimum:
            raise self.error(errors.FundedTarget)
        self.ledgers.kill(stash, num_slashing_spans)
        return FREE

    @call(21, weight=weights.STAKING_CALL)
    def kick(self, origin: Origin, who: Targets) -> None:
        """Take the sender, a validator, out of the nominations of others."""
        stash = self.ledgers.of_controller(ensure_signed(origin)).stash
        for nominator in dict.fromkeys(lookup(one) for one in who):
            found = self.nominators.get(nominator)
            if found is not None and stash in found.targets:
                left = tuple(target for target in found.targets if target != stash)
                self.nominators.put(nominator, structs.replace(found, targets=left))
                self.deposit(events.Kicked(nominator, stash))

    @call(23, weight=weights.STAKING_CALL)
    def chill_other(self, origin: Origin, stash: AccountId) -> None:
        """Take an account below the least stake out of its role, where that role is full enough."""
        caller = ensure_signed(origin)
        ledger = self.ledgers.of_stash(stash)
        if caller != stash and not self._may_be_chilled(stash, ledger.active):
            raise self.error(errors.CannotChillOther)
        self.ledgers.chill(stash)

    @call(24, weight=weights.STAKING_CALL)
    def force_apply_min_commission(self, origin: Origin, validator_stash: AccountId) -> None:
        """Raise a validator's commission to the least that is allowed. Anyone can."""
        ensure_signed(origin)
        if not self.validators.contains(validator_stash):
            raise self.error(errors.NotStash)
        prefs, least = self.validators.get(validator_stash), self.min_commission.get()
        if prefs.commission < least:
            self.validators.put(validator_stash, structs.replace(prefs, commission=least))

    @call(26, weight=weights.STAKING_CALL)
    def payout_stakers_by_page(self, origin: Origin, validator_stash: AccountId, era: u32, page: u32) -> None:
        """Pay a page of a validator's rewards of an era. Anyone can."""
        ensure_signed(origin)
        self.payouts.pay_page(validator_stash, era, page)

    # --- calls of governance

    @call(9, weight=weights.STAKING_CALL)
    def set_validator_count(self, origin: Origin, new: Compact[u32]) -> None:
        """Set how many validators are elected. By Root."""
        ensure_root(origin)
        self._set_count(new)

    @call(10, weight=weights.STAKING_CALL)
    def increase_validator_count(self, origin: Origin, additional: Compact[u32]) -> None:
        """Let more validators be elected. By Root."""
        ensure_root(origin)
        self._set_count(self.validator_count.get() + additional)

    @call(11, weight=weights.STAKING_CALL)
    def scale_validator_count(self, origin: Origin, factor: u8) -> None:
        """Let more validators be elected, by so many hundredths. By Root."""
        ensure_root(origin)
        old = self.validator_count.get()
        self._set_count(old + old * min(factor, 100) // 100)

    @call(12, weight=weights.STAKING_CALL)
    def force_no_eras(self, origin: Origin) -> None:
        """Let no new era begin. By Root."""
        ensure_root(origin)
        self.eras.set_force(Forcing.ForceNone)

    @call(13, weight=weights.STAKING_CALL)
    def force_new_era(self, origin: Origin) -> None:
        """Let an era begin with the next planned session, and then in time again. By Root."""
        ensure_root(origin)
        self.eras.set_force(Forcing.ForceNew)

    @call(14, weight=weights.STAKING_CALL)
    def set_invulnerables(
        self, origin: Origin, invulnerables: Annotated[tuple[AccountId, ...], MaxLen(VALIDATORS_MAX)]
    ) -> None:
        """Set the validators that are never slashed. By Root."""
        ensure_root(origin)
        self.invulnerables.put(invulnerables)

    @call(15, weight=weights.STAKING_CALL)
    def force_unstake(self, origin: Origin, stash: AccountId, num_slashing_spans: u32) -> None:
        """Release a stake at once. By Root."""
        ensure_root(origin)
        self.ledgers.kill(stash, num_slashing_spans)

    @call(16, weight=weights.STAKING_CALL)
    def force_new_era_always(self, origin: Origin) -> None:
        """Let an era begin with every session. By Root."""
        ensure_root(origin)
        self.eras.set_force(Forcing.ForceAlways)

    @call(17, weight=weights.STAKING_CALL)
    def cancel_deferred_slash(
        self, origin: Origin, era: u32, slash_indices: Annotated[tuple[u32, ...], MaxLen(10_000)]
    ) -> None:
        """Drop slashes that would be applied when an era starts. By governance."""
        self.config.admin(origin)
        self.slashing.cancel(era, slash_indices)

    @call(22, weight=weights.STAKING_CALL)
    def set_staking_configs(  # noqa: PLR0917, PLR0913  # pallet_staking's signature
        self,
        origin: Origin,
        min_nominator_bond: ConfigOpBalance,
        min_validator_bond: ConfigOpBalance,
        max_nominator_count: ConfigOpCount,
        max_validator_count: ConfigOpCount,
        chill_threshold: ConfigOpPercent,
        min_commission: ConfigOpCount,
        max_staked_rewards: ConfigOpPercent,
    ) -> None:
        """Change the limits of staking. By Root."""
        ensure_root(origin)
        _configure(self.min_nominator_bond, min_nominator_bond)
        _configure(self.min_validator_bond, min_validator_bond)
        _configure(self.max_nominators_count, max_nominator_count)
        _configure(self.max_validators_count, max_validator_count)
        _configure(self.chill_threshold, chill_threshold)
        _configure(self.min_commission, min_commission)
        _configure(self.max_staked_rewards, max_staked_rewards)

    @call(25, weight=weights.STAKING_CALL)
    def set_min_commission(self, origin: Origin, new: u32) -> None:
        """Set the least commission, in thousand-millionths. By governance."""
        self.config.admin(origin)
        self.min_commission.put(min(new, BILLION))

    # --- what others ask

    def exposure(self, era: int, stash: AccountId) -> Exposure:
        """Return all that stood behind a validator in an era."""
        return self.eras.exposure(era, stash)

    def try_state(self) -> None:
        """AssertionError unless ledgers, holds, roles and exposures agree."""
        for controller, ledger in self.ledger.items():
            assert ledger is not None, f"{controller.hex()} has no ledger"
            held = self.config.currency.balance_on_hold(self.ledgers.reason, ledger.stash)
            assert held == ledger.total, f"{ledger.stash.hex()} holds {held} for {ledger.total}"
            parts = ledger.active + sum(chunk.value for chunk in ledger.unlocking)
            assert parts == ledger.total, f"{ledger.stash.hex()} has another stake than its parts"
            assert len(ledger.unlocking) <= UNLOCKING_MAX
            assert self.bonded.contains(ledger.stash), "a ledger of nobody"
        for who, _ in (*self.validators.items(), *self.nominators.items()):
            assert self.bonded.contains(who), f"{who.hex()} has a role and no stake"
        assert not any(self.validators.contains(who) for who, _ in self.nominators.items()), "two roles"
        for (era, who), overview in self.eras_stakers_overview.items():
            assert overview is not None
            pages = [page for _, page in self.eras_stakers_paged.items_of(era, who) if page is not None]
            assert overview.total == overview.own + sum(page.page_total for page in pages)

    # --- leaves

    def _may_be_chilled(self, stash: AccountId, active: int) -> bool:
        threshold, is_nominator = self.chill_threshold.get(), self.nominators.contains(stash)
        limit = (self.max_nominators_count if is_nominator else self.max_validators_count).get()
        if threshold is None or limit is None:
            return False
        count = self.nominators.count() if is_nominator else self.validators.count()
        return min(threshold, 100) * limit // 100 < count and active < self.ledgers.least_bond(stash)

    def _set_count(self, count: int) -> None:
        if count > self.config.max_winners:
            raise self.error(errors.TooManyValidators)
        self.validator_count.put(count)


def _configure(
    item: Value[int] | Value[int | None], op: Noop | Remove | SetBalance | SetCount | SetPercent
) -> None:
    match op:
        case SetBalance(value) | SetCount(value) | SetPercent(value):
            item.put(value)
        case Remove():
            item.kill()
        case Noop():
            pass
