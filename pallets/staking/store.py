"""The storage of the Staking pallet as its parts share it; no rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pallets.staking.types import (
    ActiveEraInfo,
    EraRewardPoints,
    ExposurePage,
    Forcing,
    Nominations,
    PagedExposureMetadata,
    RewardDestination,
    SlashingSpansRecord,
    SpanRecord,
    StakingLedger,
    UnappliedSlash,
    ValidatorPrefs,
)
from runtime.frame.dispatch import PalletError
from runtime.frame.event import Event
from runtime.frame.storage import CountedMap, DoubleMap, Map, NMap, Value
from runtime.primitives.types import AccountId

BoundError: TypeAlias = Callable[[type[PalletError]], PalletError]
"""Binds an error to the pallet instance whose storage this is."""
Deposit: TypeAlias = Callable[[Event], None]
"""Deposits an event of the pallet instance."""


@dataclass(frozen=True, slots=True)
class StakingStore:
    """The bound storage items of one pallet instance."""

    validator_count: Value[int]
    minimum_validator_count: Value[int]
    invulnerables: Value[tuple[AccountId, ...]]
    bonded: Map[AccountId, AccountId | None]
    min_nominator_bond: Value[int]
    min_validator_bond: Value[int]
    minimum_active_stake: Value[int]
    ledger: Map[AccountId, StakingLedger | None]
    payee: Map[AccountId, RewardDestination | None]
    validators: CountedMap[AccountId, ValidatorPrefs]
    nominators: CountedMap[AccountId, Nominations | None]
    current_era: Value[int | None]
    active_era: Value[ActiveEraInfo | None]
    eras_start_session_index: Map[int, int | None]
    eras_stakers_overview: DoubleMap[int, AccountId, PagedExposureMetadata | None]
    eras_stakers_paged: NMap[tuple[int, AccountId, int], ExposurePage | None]
    claimed_rewards: DoubleMap[int, AccountId, tuple[int, ...]]
    eras_validator_prefs: DoubleMap[int, AccountId, ValidatorPrefs]
    eras_validator_reward: Map[int, int | None]
    eras_reward_points: Map[int, EraRewardPoints]
    eras_total_stake: Map[int, int]
    force_era: Value[Forcing]
    max_staked_rewards: Value[int | None]
    slash_reward_fraction: Value[int]
    unapplied_slashes: Map[int, tuple[UnappliedSlash, ...]]
    bonded_eras: Value[tuple[tuple[int, int], ...]]
    validator_slash_in_era: DoubleMap[int, AccountId, tuple[int, int] | None]
    nominator_slash_in_era: DoubleMap[int, AccountId, int | None]
    slashing_spans: Map[AccountId, SlashingSpansRecord | None]
    span_slash: Map[tuple[AccountId, int], SpanRecord]
    current_planned_session: Value[int]
    error: BoundError
    deposit: Deposit
