"""The panel of an oracle's providers: bonds, strikes, slashes, quality, removal.

Responsible for what providers gain or lose by their answers; it knows no value of a feed and no call. What
is slashed goes to the treasury, never more than the bond holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from pallets.oracle import errors, events, track_record
from pallets.oracle.store import Deposit, OracleStore
from pallets.oracle.track_record import STRIKES, Counts, Outcome, TrackRecord
from pallets.oracle.types import (
    BOND_MIN_PPM,
    EQUIVOCATION_SLASH_PPM,
    PROVIDERS_MAX,
    QUALITY_STEP_PERMILLE,
    STRIKES_REMOVE,
    STRIKES_SLASH,
    STRIKES_SLASH_PPM,
    Fault,
    FeedId,
    OracleConfig,
    Provider,
    Quality,
)
from runtime.frame.dispatch import TokenFailure
from runtime.frame.fungible import Preservation, Reason
from runtime.primitives.arithmetic import Rounding, mul_div
from runtime.primitives.types import AccountId, Hash

WHOLE_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Panel:
    """The providers of one pallet instance; `reason` is that of their bonds."""

    store: OracleStore
    config: OracleConfig
    reason: Reason
    deposit: Deposit

    # --- who belongs to it

    def add(self, who: AccountId, key: bytes, endpoints: Hash) -> None:
        """Take an account in and hold its bond; the errors of `add_provider`."""
        members = self.store.members.get()
        if who in members:
            raise self.store.error(errors.AlreadyMember)
        if len(members) == PROVIDERS_MAX:
            raise self.store.error(errors.TooManyProviders)
        self.ensure_free(key, who)
        self._hold(who, self.config.bond)
        provider = Provider(key, endpoints, self.config.bond, self.config.clock.now_ms())
        self.store.provider.put(who, provider)
        self.store.members.put(tuple(sorted((*members, who))))
        self.store.quality.put(who, Quality())
        self.deposit(events.ProviderAdded(who, self.config.bond))

    def ensure_free(self, key: bytes, who: AccountId) -> None:
        """KeyTaken where another provider than this account signs with a key."""
        for other in self.store.members.get():
            if other != who and self.store.get_provider(other).key == key:
                raise self.store.error(errors.KeyTaken)

    def ensure_can_answer(self, who: AccountId) -> Provider:
        """Return a provider whose answers count; NotMember or BondTooLow otherwise."""
        found = self.store.get_provider(who)
        if found.bond < mul_div(self.config.bond, BOND_MIN_PPM, WHOLE_PPM, Rounding.UP):
            raise self.store.error(errors.BondTooLow)
        return found

    def restore(self, who: AccountId) -> None:
        """Hold what is missing from a bond; the errors of `restore_bond`."""
        found = self.store.get_provider(who)
        missing = self.config.bond - found.bond
        if missing <= 0:
            raise self.store.error(errors.BondComplete)
        self._hold(who, missing)
        self.store.provider.put(who, structs.replace(found, bond=self.config.bond))
        self.deposit(events.BondRestored(who, missing))

    def remove(self, who: AccountId, fault: Fault) -> None:
        """Let a provider go with what is left of its bond, and forget its answers and strikes."""
        found = self.store.get_provider(who)
        for feed in range(self.store.feed_count.get()):
            self.store.raw.remove(feed, who)
            self.store.strikes.remove(feed, who)
        self.store.quality.remove(who)
        self.store.provider.remove(who)
        self.store.members.put(tuple(other for other in self.store.members.get() if other != who))
        self.config.currency.release(self.reason, who, found.bond)
        self.deposit(events.ProviderRemoved(who, found.bond, fault))

    def expel(self, who: AccountId) -> None:
        """Slash and remove a provider that signed two statements for one round."""
        self._slash(who, EQUIVOCATION_SLASH_PPM, Fault.Equivocation)
        self.remove(who, Fault.Equivocation)

    # --- what a round means to it

    def note(self, feed: FeedId, round_number: int, who: AccountId, outcome: Outcome) -> bool:
        """Note what a round made of a provider's answer, with what it costs; tell whether the provider is to
        be removed."""
        old = self.store.strikes.get(feed, who)
        record = track_record.note(old, round_number, outcome)
        if track_record.owes_slash(record, STRIKES_SLASH):
            self._slash(who, STRIKES_SLASH_PPM, Fault.Strikes)
            record = track_record.mark_slashed(record)
        self.store.strikes.put(feed, who, record)
        self._update_quality(who, old, record)
        if outcome is Outcome.Outlier:
            self.deposit(events.Outlier(feed, round_number, who))
        elif outcome in STRIKES:
            self.deposit(events.AnswerMissed(feed, round_number, who, outcome))
        return track_record.count_strikes(record) >= STRIKES_REMOVE

    def _update_quality(self, who: AccountId, old: TrackRecord | None, new: TrackRecord) -> None:
        quality = self.store.quality.get(who)
        before, after = track_record.count(old), track_record.count(new)
        counts = Counts(
            quality.expected + after.expected - before.expected,
            quality.submitted + after.submitted - before.submitted,
            quality.valid + after.valid - before.valid,
            quality.in_time + after.in_time - before.in_time,
            quality.accurate + after.accurate - before.accurate,
        )
        score, told = track_record.rate(counts).score, quality.announced_permille
        if abs(score - told) >= QUALITY_STEP_PERMILLE:
            told = score
            self.deposit(events.QualityUpdated(who, score, counts.expected))
        self.store.quality.put(who, Quality(*counts, told))

    # --- money

    def _hold(self, who: AccountId, amount: int) -> None:
        try:
            self.config.currency.hold(self.reason, who, amount)
        except TokenFailure as lacking:
            raise self.store.error(errors.BondTooLow) from lacking

    def _slash(self, who: AccountId, part_ppm: int, fault: Fault) -> None:
        """Move a part of the full bond to the treasury, at most what is held; raises nothing.

        What a freeze or the existential deposit keeps from being moved stays held.
        """
        found = self.store.get_provider(who)
        due = mul_div(self.config.bond, part_ppm, WHOLE_PPM, Rounding.DOWN)
        currency = self.config.currency
        released = currency.release(self.reason, who, due)
        moved = min(released, currency.reducible_balance(who, Preservation.PRESERVE))
        if moved:
            currency.transfer(who, self.config.treasury, moved, Preservation.PRESERVE)
        # What is held again was held a moment ago, so nothing keeps it from being held now.
        currency.hold(self.reason, who, released - moved)
        self.store.provider.put(who, structs.replace(found, bond=found.bond - moved))
        self.deposit(events.ProviderSlashed(who, moved, fault))
