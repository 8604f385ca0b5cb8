"""The events of the Staking pallet, with the numbers of polkadot-stable2503; no behaviour."""

from __future__ import annotations

from pallets.staking.types import Forcing, RewardDestination, ValidatorPrefs
from runtime.frame.event import Event
from runtime.primitives.scale import u32, u128
from runtime.primitives.types import AccountId


class EraPaid(Event, index=0):
    """The payout of an era is known, for stakers and what remains for the treasury."""

    era_index: u32
    validator_payout: u128
    remainder: u128


class Rewarded(Event, index=1):
    """A staker was paid a reward."""

    stash: AccountId
    dest: RewardDestination
    amount: u128


class Slashed(Event, index=2):
    """A staker lost an amount."""

    staker: AccountId
    amount: u128


class SlashReported(Event, index=3):
    """A validator offended in an era and is to lose a part of the stake, in thousand-millionths."""

    validator: AccountId
    fraction: u32
    slash_era: u32


class OldSlashingReportDiscarded(Event, index=4):
    """A report of an offence is of a session too long ago."""

    session_index: u32


class StakersElected(Event, index=5):
    """A new set of stakers was elected."""


class Bonded(Event, index=6):
    """An account staked an amount."""

    stash: AccountId
    amount: u128


class Unbonded(Event, index=7):
    """An account began to unlock an amount."""

    stash: AccountId
    amount: u128


class Withdrawn(Event, index=8):
    """An account withdrew an amount that was unlocked."""

    stash: AccountId
    amount: u128


class Kicked(Event, index=9):
    """A validator refused a nominator."""

    nominator: AccountId
    stash: AccountId


class StakingElectionFailed(Event, index=10):
    """The election found too few validators; the old ones stay."""


class Chilled(Event, index=11):
    """An account is no validator or nominator any more."""

    stash: AccountId


class PayoutStarted(Event, index=12):
    """The rewards of a page of a validator's nominators are paid; `next` is the page to be paid next."""

    era_index: u32
    validator_stash: AccountId
    page: u32
    next: u32 | None


class ValidatorPrefsSet(Event, index=13):
    """A validator set its preferences."""

    stash: AccountId
    prefs: ValidatorPrefs


class SnapshotVotersSizeExceeded(Event, index=14):
    """There are more voters than an election takes."""

    size: u32


class SnapshotTargetsSizeExceeded(Event, index=15):
    """There are more candidates than an election takes."""

    size: u32


class ForceEra(Event, index=16):
    """Eras begin in another way."""

    mode: Forcing


class ControllerBatchDeprecated(Event, index=17):
    """Retired: controllers were retired."""

    failures: u32


class CurrencyMigrated(Event, index=18):
    """Retired: a stake is held instead of locked."""

    stash: AccountId
    force_withdraw: u128
