"""What the Staking and Session pallets store, with the layouts of pallet_staking in polkadot-stable2503."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, TypeAlias

from runtime.primitives.scale import Compact, Enum, Length, MaxLen, Struct, enum_path, u8, u32, u64, u128
from runtime.primitives.types import AccountId

NOMINATIONS_MAX: Final = 16
"""Most validators that a nominator supports."""
TARGETS_ARGUMENT_MAX: Final = 256
"""Most targets that a call may carry; it refuses those beyond NOMINATIONS_MAX with an error of its own."""
UNLOCKING_MAX: Final = 32
"""Most chunks of a stake that are on their way out. Never reduce it: stored ledgers would not decode."""
HISTORY_DEPTH_MAX: Final = 84
"""Most eras that are remembered."""
VALIDATORS_MAX: Final = 1_000
"""Most validators of a set."""
BILLION: Final = 1_000_000_000

EraIndex: TypeAlias = u32
SessionIndex: TypeAlias = u32
Page: TypeAlias = u32
PerbillParts: TypeAlias = u32
"""Thousand-millionths; what is above one is read as one."""
PercentParts: TypeAlias = u8
"""Hundredths; what is above one is read as one."""


@enum_path("pallet_staking::pallet::pallet::HoldReason")
class HoldReason(IntEnum):
    """Why the pallet holds somebody's balance."""

    Staking = 0


@enum_path("pallet_staking::Forcing")
class Forcing(IntEnum):
    """Whether eras begin in time, in the next session, not at all, or in every session."""

    NotForcing = 0
    ForceNew = 1
    ForceNone = 2
    ForceAlways = 3


class UnlockChunk(Struct, path="pallet_staking::UnlockChunk"):
    """A part of a stake that may be withdrawn from an era on."""

    value: Compact[u128]
    era: Compact[u32]


class StakingLedger(Struct, path="pallet_staking::ledger::StakingLedger"):
    """What an account has staked: `total` is `active` and all that is unlocking."""

    stash: AccountId
    total: Compact[u128]
    active: Compact[u128]
    unlocking: Annotated[tuple[UnlockChunk, ...], MaxLen(UNLOCKING_MAX)] = ()
    legacy_claimed_rewards: Annotated[tuple[u32, ...], MaxLen(HISTORY_DEPTH_MAX)] = ()


class ValidatorPrefs(Struct, path="pallet_staking::ValidatorPrefs"):
    """A validator's commission, in thousand-millionths, and whether it takes no new nominators."""

    commission: Compact[u32] = 0
    blocked: bool = False


class Nominations(Struct, path="pallet_staking::Nominations"):
    """Whom a nominator supports, since which era."""

    targets: Annotated[tuple[AccountId, ...], MaxLen(NOMINATIONS_MAX)]
    submitted_in: u32
    suppressed: bool = False


class Staked(Struct, index=0):
    """Rewards are added to the stake."""


class Stash(Struct, index=1):
    """Rewards are paid to the staking account and stay free."""


class Controller(Struct, index=2):
    """Retired; it cannot be chosen any more."""


class Account(Struct, index=3):
    """Rewards are paid to another account."""

    field_0: AccountId


class Nobody(Struct, index=4, variant="None"):
    """Rewards are not paid out."""


RewardDestination: TypeAlias = Annotated[
    Staked | Stash | Controller | Account | Nobody, Enum("pallet_staking::RewardDestination")
]


class ActiveEraInfo(Struct, path="pallet_staking::ActiveEraInfo"):
    """The era that is rewarded now, and the milliseconds since 1970 of its start once that is known."""

    index: u32
    start: u64 | None = None


class IndividualExposure(Struct, path="sp_staking::IndividualExposure"):
    """A nominator's stake behind a validator."""

    who: AccountId
    value: Compact[u128]


Others: TypeAlias = Annotated[tuple[IndividualExposure, ...], MaxLen(1_000_000)]


class Exposure(Struct, path="sp_staking::Exposure"):
    """All that stands behind a validator in an era."""

    total: Compact[u128] = 0
    own: Compact[u128] = 0
    others: Others = ()


class PagedExposureMetadata(Struct, path="sp_staking::PagedExposureMetadata"):
    """An exposure without its nominators, and how many pages these take."""

    total: Compact[u128]
    own: Compact[u128]
    nominator_count: u32
    page_count: u32


class ExposurePage(Struct, path="sp_staking::ExposurePage"):
    """A page of the nominators behind a validator, and their stake together."""

    page_total: Compact[u128] = 0
    others: Others = ()


class EraRewardPoints(Struct, path="pallet_staking::EraRewardPoints"):
    """Points of an era by validator, in order of the accounts."""

    total: u32 = 0
    individual: Annotated[tuple[tuple[AccountId, u32], ...], MaxLen(VALIDATORS_MAX)] = ()


class UnappliedSlash(Struct, path="pallet_staking::UnappliedSlash"):
    """A slash that was computed and waits: what each loses, who reported it and what they get together."""

    validator: AccountId
    own: u128
    others: Annotated[tuple[tuple[AccountId, u128], ...], MaxLen(1_000_000)]
    reporters: Annotated[tuple[AccountId, ...], MaxLen(16)]
    payout: u128


class SlashingSpansRecord(Struct, path="pallet_staking::slashing::SlashingSpans"):
    """An account's slashing spans: number and start of the current one, and the lengths of those before, the
    latest first."""

    span_index: u32
    last_start: u32
    last_nonzero_slash: u32 = 0
    prior: Annotated[tuple[u32, ...], MaxLen(1_000)] = ()


class SpanRecord(Struct, path="pallet_staking::slashing::SpanRecord"):
    """The greatest slash of a span, and what reporters got for it."""

    slashed: u128 = 0
    paid_out: u128 = 0


class Noop(Struct, index=0):
    """The setting stays."""


class Remove(Struct, index=2):
    """The setting is removed."""


class SetBalance(Struct, index=1, variant="Set"):
    """The setting is this amount."""

    field_0: u128


class SetCount(Struct, index=1, variant="Set"):
    """The setting is this number."""

    field_0: u32


class SetPercent(Struct, index=1, variant="Set"):
    """The setting is so many hundredths."""

    field_0: u8


ConfigOpBalance: TypeAlias = Annotated[Noop | SetBalance | Remove, Enum("pallet_staking::pallet::ConfigOp")]
ConfigOpCount: TypeAlias = Annotated[Noop | SetCount | Remove, Enum("pallet_staking::pallet::ConfigOp")]
ConfigOpPercent: TypeAlias = Annotated[Noop | SetPercent | Remove, Enum("pallet_staking::pallet::ConfigOp")]


class SessionKeys(Struct, path="loam_public_runtime::SessionKeys"):
    """A validator's keys, both ed25519: `grandpa` votes for blocks, `babe` signs them and proves its
    lots."""

    grandpa: Annotated[bytes, Length(32)]
    babe: Annotated[bytes, Length(32)]
