"""Slashing: what offenders and those behind them lose, and when.

Responsible for computing slashes from the exposure of the era of the offence, for slashing spans, for
deferral, and for paying reporters. It does not judge offences. Source: pallet_staking::slashing of
polkadot-stable2503; docs/decisions/015-staking-release.md.

Within a span an account loses the greatest slash only, spans add up; a slash in the current span ends it. A
deferred slash is applied at the start of era `offence + defer + 1`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import structs

from pallets.staking import errors, events
from pallets.staking.config import StakingConfig
from pallets.staking.ledger import Ledgers, part_of
from pallets.staking.store import StakingStore
from pallets.staking.types import BILLION, Exposure, SlashingSpansRecord, UnappliedSlash
from runtime.primitives.types import AccountId

REWARD_FIRST: Final = BILLION // 2
"""The part of the reporters' share that the first report is paid: f₁ of the paper."""


class Offence(NamedTuple):
    """A validator that offended, how much of the stake that costs in thousand-millionths, and who says so."""

    offender: AccountId
    fraction: int
    reporters: tuple[AccountId, ...] = ()


class Span(NamedTuple):
    """A slashing span: its eras from `start`, `length` of them or (None) without end."""

    number: int
    start: int
    length: int | None

    def contains(self, era: int) -> bool:
        """Tell whether an era is in the span."""
        return self.start <= era and (self.length is None or era < self.start + self.length)


def list_spans(record: SlashingSpansRecord) -> tuple[Span, ...]:
    """Return the spans of an account, the current one first."""
    spans = [Span(record.span_index, record.last_start, None)]
    for length in record.prior:
        spans.append(Span(spans[-1].number - 1, spans[-1].start - length, length))
    return tuple(spans)


def end_span(record: SlashingSpansRecord, now: int) -> SlashingSpansRecord:
    """Return the spans with one that starts in the era after `now`; the same if the current one does not
    start earlier."""
    following = now + 1
    if following <= record.last_start:
        return record
    prior = (following - record.last_start, *record.prior)
    return structs.replace(record, span_index=record.span_index + 1, last_start=following, prior=prior)


def prune_spans(
    record: SlashingSpansRecord, window_start: int
) -> tuple[SlashingSpansRecord, tuple[int, ...]]:
    """Return the spans that reach into the window, and the numbers of those that do not."""
    gone = [s for s in list_spans(record)[1:] if s.length is not None and s.start + s.length <= window_start]
    kept = record.prior[: len(record.prior) - len(gone)]
    start = max(record.last_start, window_start)
    return structs.replace(record, prior=kept, last_start=start), tuple(span.number for span in gone)


class _Found(NamedTuple):
    """What a slash in a span takes and pays, and whether it is in the current span."""

    slashed: int
    paid: int
    is_current: bool


class Slashing:
    """The slashes of one pallet instance."""

    def __init__(
        self,
        store: StakingStore,
        config: StakingConfig,
        ledgers: Ledgers,
        exposure_of: Callable[[int, AccountId], Exposure],
    ) -> None:
        self.store = store
        self.config = config
        self.ledgers = ledgers
        self.exposure_of = exposure_of

    def on_offence(self, offences: tuple[Offence, ...], session: int) -> None:
        """Compute what offences in a session cost, and slash or defer it; what is too old is discarded."""
        store = self.store
        active = store.active_era.get()
        if active is None:
            return
        era = self.era_of(session)
        if era is None:
            store.deposit(events.OldSlashingReportDiscarded(session))
            return
        for offence in offences:
            if offence.offender in store.invulnerables.get():
                continue
            store.deposit(events.SlashReported(offence.offender, offence.fraction, era))
            if era == active.index:
                self.config.sessions().report_offence(offence.offender, offence.fraction)
            found = self._compute(offence, era, active.index)
            if found is None:
                continue
            if self.config.slash_defer_duration == 0:
                self._apply(found, era)
            else:
                due = era + self.config.slash_defer_duration + 1
                store.unapplied_slashes.put(due, (*store.unapplied_slashes.get(due), found))

    def era_of(self, session: int) -> int | None:
        """Return the era of a session, None where stakes of that time may have left."""
        found = [era for era, start in self.store.bonded_eras.get() if start <= session]
        return found[-1] if found else None

    def apply_due(self, era: int) -> None:
        """Apply the slashes that were deferred to the start of an era."""
        for slash in self.store.unapplied_slashes.take(era):
            self._apply(slash, era - self.config.slash_defer_duration - 1)

    def cancel(self, era: int, indices: tuple[int, ...]) -> None:
        """Drop deferred slashes of an era by their numbers, which are in order."""
        store = self.store
        if not indices:
            raise store.error(errors.EmptyTargets)
        if list(indices) != sorted(dict.fromkeys(indices)):
            raise store.error(errors.NotSortedAndUnique)
        slashes = store.unapplied_slashes.get(era)
        if indices[-1] >= len(slashes):
            raise store.error(errors.InvalidSlashIndex)
        kept = tuple(slash for index, slash in enumerate(slashes) if index not in indices)
        if kept:
            store.unapplied_slashes.put(era, kept)
        else:
            store.unapplied_slashes.remove(era)

    def forget_era(self, era: int) -> None:
        """Drop what is kept about the slashes of an era."""
        size = 1 << 32
        self.store.validator_slash_in_era.clear_prefix(era, size)
        self.store.nominator_slash_in_era.clear_prefix(era, size)

    # --- computing

    def _compute(self, offence: Offence, era: int, now: int) -> UnappliedSlash | None:
        """Return what an offence costs; None where that is nothing, or less than an earlier one of the
        era."""
        store, who = self.store, offence.offender
        exposure = self.exposure_of(era, who)
        own = part_of(offence.fraction, exposure.own)
        if part_of(offence.fraction, exposure.total) == 0:
            return None
        before = store.validator_slash_in_era.get(era, who)
        earlier = 0 if before is None else before[0]
        if offence.fraction <= earlier:
            return None
        store.validator_slash_in_era.put(era, who, (offence.fraction, own))
        found = self._slash_in_span(who, era, own, now)
        payout, others = found.paid, []
        for other in exposure.others:
            growth = part_of(offence.fraction, other.value) - part_of(earlier, other.value)
            slash = (store.nominator_slash_in_era.get(era, other.who) or 0) + growth
            store.nominator_slash_in_era.put(era, other.who, slash)
            lost = self._slash_in_span(other.who, era, slash, now)
            payout += lost.paid
            others.append((other.who, lost.slashed))
        return UnappliedSlash(who, found.slashed, tuple(others), offence.reporters, payout)

    def _slash_in_span(self, who: AccountId, era: int, slash: int, now: int) -> _Found:
        """Note a slash in its span; return by how much it exceeds what the span had, and the reward."""
        store = self.store
        window_start = max(0, now - self.config.bonding_duration)
        record = store.slashing_spans.get(who) or SlashingSpansRecord(0, window_start)
        span = next((span for span in list_spans(record) if span.contains(era)), None)
        if span is None:
            return _Found(0, 0, is_current=False)
        kept = store.span_slash.get((who, span.number))
        lost, paid = max(0, slash - kept.slashed), 0
        if slash >= kept.slashed:
            share = part_of(store.slash_reward_fraction.get(), slash)
            paid = part_of(REWARD_FIRST, max(0, share - kept.paid_out))
        if lost or paid:
            grown = structs.replace(kept, slashed=max(slash, kept.slashed), paid_out=kept.paid_out + paid)
            store.span_slash.put((who, span.number), grown)
        if lost:
            record = structs.replace(record, last_nonzero_slash=max(record.last_nonzero_slash, era))
        is_current = span.number == record.span_index
        if is_current:
            record = end_span(record, now)
        record, gone = prune_spans(record, window_start)
        for index in gone:
            store.span_slash.remove((who, index))
        store.slashing_spans.put(who, record)
        return _Found(lost, paid, is_current)

    # --- applying

    def _apply(self, slash: UnappliedSlash, era: int) -> None:
        """Take a slash from the stakes; pay the reporters of it, the treasury gets the rest."""
        taken = sum(self._take(who, lost, era) for who, lost in ((slash.validator, slash.own), *slash.others))
        reward = min(slash.payout, taken)
        each = reward // len(slash.reporters) if slash.reporters else 0
        currency = self.config.currency
        for reporter in slash.reporters if each else ():
            currency.deposit_creating(reporter, each)
        currency.deposit_creating(self.config.treasury, taken - each * len(slash.reporters))

    def _take(self, stash: AccountId, amount: int, era: int) -> int:
        """Take up to an amount out of what an account has at stake; return how much."""
        controller = self.store.bonded.get(stash)
        ledger = None if controller is None else self.store.ledger.get(controller)
        if amount == 0 or ledger is None or ledger.stash != stash:
            return 0
        taken = self.ledgers.slash(ledger, amount, era)
        if taken:
            self.store.deposit(events.Slashed(stash, taken))
        return taken
