"""Offences: proofs that a validator broke the protocol, judged and recorded on chain.

Responsible for judging evidence by the rule that engines find it by (`runtime.primitives.evidence`), against
the set of validators that it is of, for recording each offence once, and for handing the offender to what the
chain does about it. It knows Session and that handler as Protocols. Source: pallet_offences,
pallet_grandpa (`report_equivocation`, `report_equivocation_unsigned`).

A set is judged as long as Session remembers it: its latest `SetsKept` sets. There is at most one change of
the set in a block, so an offence can be reported for at least as many blocks, however often the offender
makes the set change. With the set go the notes of what was reported of it, so nothing can be reported twice.
What one offender can fill with offences of its own making is bounded: `ReportsPerOffender` in one set. What
needs no signature is checked first: what is on record already costs a node little, however often it is told.

Invariant (checked by `try_state`): the records are the latest ones without a gap; every note is of a set that
can be judged, and each of its offences is listed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, NamedTuple, Protocol

from pallets.core import weights
from runtime.frame.call import Call, call
from runtime.frame.dispatch import (
    DispatchClass,
    Origin,
    PalletError,
    Pays,
    PostDispatchInfo,
    ensure_none,
    ensure_signed,
)
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.frame.validity import PRIORITY_MAX, InvalidReason, InvalidTransaction, ValidTransaction
from runtime.primitives.committee import Committee, LeaderRule
from runtime.primitives.evidence import Evidence, InvalidEvidence, OffenceKind, judge_evidence, name_offence
from runtime.primitives.extrinsic import make_unsigned
from runtime.primitives.scale import MaxLen, Struct, codec, enum_path, u32, u64
from runtime.primitives.types import AccountId, Hash

REPORTS_PER_OFFENDER_MAX: Final = 4
"""Most offences of one validator in one set that are recorded; the first is enough to act on."""
OFFENDERS_MAX: Final = 1_000
"""As many as validators of the largest set."""
TAG: Final = b"loam:offence"


@enum_path("pallet_offences::OnOffence")
class OnOffence(IntEnum):
    """What the chain does to an offender, by its genesis."""

    Record = 0
    Act = 1


class Reported(Struct, path="pallet_offences::Reported"):
    """An offence that is not reported again."""

    kind: OffenceKind
    instance: u64


class OffenceDetails(Struct, path="pallet_offences::OffenceDetails"):
    """A recorded offence: who did what, in which set and instance; in which block it was recorded, and by
    whom where the report was signed."""

    offender: AccountId
    kind: OffenceKind
    set_id: u64
    instance: u64
    number: u32
    reporter: AccountId | None


class _Tag(Struct):
    offender: AccountId
    set_id: u64
    noted: u32


class PastSets(Protocol):
    """What the pallet needs of Session."""

    @property
    def set_id(self) -> Value[int]:
        """The number of the current set."""
        ...

    @property
    def leader(self) -> LeaderRule:
        """The rule of who proposes."""
        ...

    def set_of(self, set_id: int) -> tuple[tuple[AccountId, bytes], ...] | None:
        """Return the validators and vote keys of a set; None when it is to come or forgotten."""
        ...


class Blocks(Protocol):
    """What the pallet needs of System."""

    @property
    def block_hash(self) -> Map[int, Hash]:
        """The hashes of blocks, that of genesis among them."""
        ...

    def current_number(self) -> int:
        """Return the number of the open block."""
        ...


class OffenceHandler(Protocol):
    """What a chain does to an offender: removal from a consortium, a slash of a stake, …"""

    def on_offence(self, offender: AccountId) -> bool:
        """Do to an offender what is done, or queue it; false when that is impossible. Raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class OffencesConfig:
    """`reports_kept`: so many of the latest offences are kept for readers."""

    session: PastSets
    system: Blocks
    handler: OffenceHandler
    reports_kept: int = 1_000


class _Proven(NamedTuple):
    """What evidence proves, the number of its set, and how much is noted of the offender in that set."""

    offender: AccountId
    set_id: int
    noted: int
    reported: Reported


class Offences(Pallet[OffencesConfig]):
    """What validators were convicted of."""

    on_offence: Value[OnOffence] = storage(
        default=OnOffence.Record, docs="What the chain does to an offender, by its genesis."
    )
    reports: Map[u32, OffenceDetails | None] = storage(TWOX_64_CONCAT, docs="The latest offences by number.")
    report_count: Value[u32] = storage(default=0, docs="How many offences there were since genesis.")
    reported: DoubleMap[u64, AccountId, Annotated[tuple[Reported, ...], MaxLen(REPORTS_PER_OFFENDER_MAX)]] = (
        storage(
            TWOX_64_CONCAT,
            TWOX_64_CONCAT,
            default=(),
            docs="What was reported, by number of the set and offender, as long as the set is remembered.",
        )
    )

    class Offence(Event, index=0):
        """A validator broke the protocol, and it is proven."""

        kind: OffenceKind
        set_id: u64
        instance: u64
        offender: AccountId
        reporter: AccountId | None

    class OffenderPunished(Event, index=1):
        """What the chain does to offenders was done to this one, or is about to be."""

        offender: AccountId

    class OffenderSpared(Event, index=2):
        """What the chain does to offenders cannot be done to this one; the record stays."""

        offender: AccountId

    class InvalidOffenceProof(PalletError, index=0):
        """These statements prove nothing against the validator that they name."""

    class UnknownSet(PalletError, index=1):
        """The set of validators that the statements are of is to come, or too long ago: see `Session`."""

    class FutureInstance(PalletError, index=2):
        """What the statements are about has not begun yet."""

    class DuplicateOffenceReport(PalletError, index=3):
        """This offence is recorded already."""

    class TooManyReports(PalletError, index=4):
        """Enough is recorded of this validator in this set: see `ReportsPerOffender`."""

    @constant
    def reports_per_offender(self) -> u32:
        """Most offences of one validator in one set that are recorded."""
        return REPORTS_PER_OFFENDER_MAX

    @constant
    def reports_kept(self) -> u32:
        """How many of the latest offences are kept."""
        return self.config.reports_kept

    def genesis(self, on_offence: OnOffence) -> None:
        """Set what the chain does to offenders."""
        self.on_offence.put(on_offence)

    @call(0, weight=weights.OFFENCES_REPORT_OFFENCE)
    def report_offence(self, origin: Origin, evidence: Evidence) -> PostDispatchInfo:
        """Report that a validator contradicted itself, with its two signed statements as the proof.

        The report of a proven offence costs nothing, and bears the sender's name.
        """
        reporter = ensure_signed(origin)
        self._record(self._judge(evidence), reporter)
        return PostDispatchInfo(pays_fee=Pays.No)

    @call(1, weight=weights.OFFENCES_REPORT_OFFENCE_UNSIGNED, dispatch_class=DispatchClass.Operational)
    def report_offence_unsigned(self, origin: Origin, evidence: Evidence) -> None:
        """Report that a validator contradicted itself, as every node does that has seen it."""
        ensure_none(origin)
        self._record(self._judge(evidence), None)

    def validate_unsigned(self, call: Call) -> ValidTransaction | None:
        """Let a report in that would succeed. The next one of an offender in a set has one tag, whatever it
        says, so a pool keeps one: its key could sign more than any pool holds, and all of it goes first.
        """
        if call.spec.pallet_index != self.index or call.spec.name != "report_offence_unsigned":
            return None
        (evidence,) = call.args
        try:
            proven = self._judge(evidence)
        except PalletError as refused:
            raise InvalidTransaction(_REASONS[refused.index]) from refused
        return ValidTransaction(PRIORITY_MAX, (), (_encode_tag(proven),))

    def make_report(self, evidence: Evidence) -> bytes | None:
        """Return the unsigned extrinsic that reports an offence in the next block, None when it would be
        refused there."""
        try:
            self._judge(evidence, number=self.config.system.current_number() + 1)
        except PalletError:
            return None
        return make_unsigned(self.bound_call("report_offence_unsigned", evidence).encoded())

    def forget_set(self, set_id: int) -> None:
        """Drop the notes of a set that nothing can be reported of any more."""
        self.reported.clear_prefix(set_id, OFFENDERS_MAX)

    def try_state(self) -> None:
        """AssertionError unless the records are the latest ones and the notes are of sets that are known."""
        count = self.report_count.get()
        kept = sorted(number for number, _ in self.reports.items())
        assert kept == list(range(max(0, count - self.config.reports_kept), count)), "a record is missing"
        for (set_id, offender), found in self.reported.items():
            members = self.config.session.set_of(set_id)
            assert members is not None, f"a note of set {set_id}, which is forgotten"
            assert any(who == offender for who, _ in members), f"{offender.hex()} was not in set {set_id}"
            assert len(dict.fromkeys(found)) == len(found), "an offence is recorded twice"

    # --- leaves of the above

    def _judge(self, evidence: Evidence, number: int | None = None) -> _Proven:
        """Return what evidence proves to a block; one of the pallet's errors when it may not be recorded."""
        first, session = evidence.first, self.config.session
        members = session.set_of(first.set_id)
        if members is None:
            raise self.UnknownSet
        current = self.config.system.current_number() if number is None else number
        if first.instance > current:
            raise self.FutureInstance
        if first.index >= len(members):
            raise self.InvalidOffenceProof
        offender = members[first.index][0]
        committee = Committee(
            self.config.system.block_hash.get(0),
            first.set_id,
            [(key, 1) for _, key in members],
            session.leader,
        )
        try:
            reported = Reported(name_offence(evidence, committee), first.instance)
            noted = self._count_noted(first.set_id, offender, reported)
            judge_evidence(evidence, committee)
        except InvalidEvidence as refused:
            raise self.InvalidOffenceProof from refused
        return _Proven(offender, first.set_id, noted, reported)

    def _count_noted(self, set_id: int, offender: AccountId, reported: Reported) -> int:
        """Return how much is noted of an offender in a set, where another offence may be."""
        noted = self.reported.get(set_id, offender)
        if reported in noted:
            raise self.DuplicateOffenceReport
        if len(noted) >= REPORTS_PER_OFFENDER_MAX:
            raise self.TooManyReports
        return len(noted)

    def _record(self, proven: _Proven, reporter: AccountId | None) -> None:
        offender, set_id, _, reported = proven
        noted = self.reported.get(set_id, offender)
        self.reported.put(set_id, offender, (*noted, reported))
        count = self.report_count.get()
        details = OffenceDetails(
            offender,
            reported.kind,
            set_id,
            reported.instance,
            self.config.system.current_number(),
            reporter,
        )
        self.reports.put(count, details)
        self.report_count.put(count + 1)
        if count >= self.config.reports_kept:
            self.reports.remove(count - self.config.reports_kept)
        self.deposit(self.Offence(reported.kind, set_id, reported.instance, offender, reporter))
        if self.on_offence.get() is OnOffence.Act:
            is_done = self.config.handler.on_offence(offender)
            self.deposit(self.OffenderPunished(offender) if is_done else self.OffenderSpared(offender))


_REASONS: Final[Mapping[int, InvalidReason]] = {
    Offences.InvalidOffenceProof.index: InvalidReason.BadProof,
    Offences.UnknownSet.index: InvalidReason.Stale,
    Offences.FutureInstance.index: InvalidReason.Future,
    Offences.DuplicateOffenceReport.index: InvalidReason.Stale,
    Offences.TooManyReports.index: InvalidReason.Stale,
}
"""No honest node passes on what proves nothing; the rest is a matter of time."""


def _encode_tag(proven: _Proven) -> bytes:
    return TAG + codec(_Tag).encode(_Tag(proven.offender, proven.set_id, proven.noted))
