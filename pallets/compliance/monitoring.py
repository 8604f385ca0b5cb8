"""Monitoring: rules against money laundering, applied to every movement of e-money before it is made.

Responsible for the rules, for what they must remember of a sender, for what becomes of a transfer that they
find, and for the state of cases. The rules' arithmetic is in `aml`; who is frozen it asks. A failed call
leaves nothing in a window, since the dispatcher undoes it with the rest.

Nothing here or in its events names whom a case or a flag is about. A flag says where a transfer stands, which
anybody can compute from the chain, as the rules are public too; what officers think of it is in their files,
of which a commitment is here.

Invariant (checked by `try_state`): windows are within their bounds and in order of time, the latest flags are
kept without a gap, cases have a report where they were reported and nowhere else.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar

from msgspec import structs

from pallets.compliance import monitoring_errors as errors
from pallets.compliance import monitoring_events as events
from pallets.compliance import weights
from pallets.compliance.aml import RECEIVERS_MAX, VELOCITY_MAX, AmlRules, Flag, Memory, meet, screen
from pallets.compliance.monitoring_types import (
    FLAGS_KEPT,
    Action,
    Case,
    CaseId,
    CaseState,
    Clearance,
    Decision,
    Flagged,
    FlagId,
    MonitoringConfig,
    Reported,
    Rule,
    RuleKind,
    Window,
)
from pallets.compliance.office import Commitment, Role
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, ensure_signed
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet, constant
from runtime.frame.permissions import Movement
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, Map, Value, storage
from runtime.primitives.arithmetic import U32_MAX, U128_MAX, checked_add
from runtime.primitives.scale import u32, u64, u128
from runtime.primitives.types import AccountId

SECOND_MS = 1_000
UNSET = Rule(U128_MAX, 1, Action.Flag)
"""Stands in for a rule of amounts that is not set; what it finds is not counted."""
UNSET_VELOCITY = Rule(1, 1, Action.Flag)
KINDS = {Flag.SINGLE: RuleKind.Single, Flag.STRUCTURING: RuleKind.Rolling, Flag.VELOCITY: RuleKind.Velocity}
NUMBERS_MAX = {RuleKind.Velocity: VELOCITY_MAX, RuleKind.Counterparty: RECEIVERS_MAX - 1}
"""The greatest thresholds of rules that count."""


class Monitoring(Pallet[MonitoringConfig]):
    """Rules against money laundering, and cases."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)

    rule: Map[RuleKind, Rule | None] = storage(TWOX_64_CONCAT, docs="The rules that are in force, by kind.")
    window: Map[AccountId, Window] = storage(
        BLAKE2_128_CONCAT, default=Window(), docs="What the rules remember of a sender."
    )
    clearance: Map[AccountId, Clearance | None] = storage(
        BLAKE2_128_CONCAT, docs="Transfers that officers let through although a rule holds them, by sender."
    )
    flagged: Map[FlagId, Flagged | None] = storage(TWOX_64_CONCAT, docs="The latest flags by number.")
    flag_count: Value[FlagId] = storage(default=0, docs="How many flags there were since genesis.")
    case: Map[CaseId, Case | None] = storage(TWOX_64_CONCAT, docs="Cases by id.")
    next_case: Value[CaseId] = storage(default=0, docs="The id of the next case.")

    @constant
    def flags_kept(self) -> u32:
        """How many of the latest flags are kept."""
        return FLAGS_KEPT

    def genesis(self, rules: tuple[tuple[RuleKind, Rule], ...]) -> None:
        """Set the rules that the chain starts with."""
        for kind, rule in rules:
            assert _is_sound(kind, rule), f"the rule {kind.name} is none"
            self.rule.put(kind, rule)

    # --- calls: rules

    @call(0, weight=weights.MONITORING_SET_RULE)
    def set_rule(
        self, origin: Origin, kind: RuleKind, threshold: u128, window_s: u32, action: Action
    ) -> None:
        """Set the rule of a kind: a threshold in smallest units, or a number of transfers or receivers, and
        a window in seconds. Only for officers of cases. What a kind has no use for is 0."""
        self._ensure_officer(origin)
        rule = Rule(threshold, window_s, action)
        if not _is_sound(kind, rule):
            raise self.error(errors.BadRule)
        self.rule.put(kind, rule)
        self._tell(events.RuleSet(kind, threshold, window_s, action))

    @call(1, weight=weights.MONITORING_REMOVE_RULE)
    def remove_rule(self, origin: Origin, kind: RuleKind) -> None:
        """Put the rule of a kind out of force. Only for officers of cases."""
        self._ensure_officer(origin)
        if not self.rule.contains(kind):
            raise self.error(errors.UnknownRule)
        self.rule.remove(kind)
        self._tell(events.RuleRemoved(kind))

    @call(2, weight=weights.MONITORING_CLEAR_TRANSFER)
    def clear_transfer(self, origin: Origin, who: AccountId, amount: u128, expires_ms: u64) -> None:
        """Let one transfer of an account, of up to an amount, through rules that hold it, until a time in
        milliseconds since 1970. Only for officers of cases. A rule that rejects is not affected."""
        self._ensure_officer(origin)
        if expires_ms <= self.config.clock.now_ms():
            raise self.error(errors.AlreadyExpired)
        self.clearance.put(who, Clearance(amount, expires_ms))
        self._tell(events.TransferCleared(who, amount, expires_ms))

    # --- calls: cases

    @call(3, weight=weights.MONITORING_OPEN_CASE)
    def open_case(self, origin: Origin, file: Commitment) -> None:
        """Open a case; its file is kept elsewhere, here is a commitment to it. Only for officers of cases."""
        self._ensure_officer(origin)
        case = self.next_case.get()
        self.next_case.put(checked_add(case, 1, U32_MAX))
        self.case.put(case, Case(file, CaseState.Open, self.config.clock.now_ms(), None))
        self._tell(events.CaseOpened(case))

    @call(4, weight=weights.MONITORING_REVIEW_CASE)
    def review_case(self, origin: Origin, case: CaseId, file: Commitment) -> None:
        """Take an open case under review, with a commitment to its file as it is now. Only for officers of
        cases."""
        found = self._case_in(origin, case, CaseState.Open)
        self.case.put(case, structs.replace(found, state=CaseState.Review, file=file))
        self._tell(events.CaseReviewed(case))

    @call(5, weight=weights.MONITORING_DECIDE_CASE)
    def decide_case(self, origin: Origin, case: CaseId, decision: Decision) -> None:
        """Decide a case under review: it is reported to the authority, or dismissed. Only for officers of
        cases."""
        found = self._case_in(origin, case, CaseState.Review)
        state, report = CaseState.Dismissed, None
        if isinstance(decision, Reported):
            state, report = CaseState.Reported, decision.field_0
        self.case.put(case, structs.replace(found, state=state, report=report))
        self._tell(events.CaseClosed(case))

    # --- what other pallets and the composition ask for

    def screen(self, movement: Movement) -> None:
        """Take a movement into account that is about to be made: RuleRejected and TransferHeld where rules
        forbid it; a flag where they only want it seen."""
        rules = {kind: rule for kind in RuleKind if (rule := self.rule.get(kind)) is not None}
        if not rules or movement.amount == 0:
            return
        found = self._find(movement, rules)
        if not found:
            return
        action = max(rules[kind].action for kind in found)
        if action is Action.Reject:
            raise self.error(errors.RuleRejected)
        if action is Action.Hold:
            self._use_clearance(movement)
        self._flag(found)

    def try_state(self) -> None:
        """AssertionError unless windows, flags and cases are well-formed."""
        for who, window in self.window.items():
            for times in (window.times, [t for t, _ in window.amounts], [t for t, _ in window.receivers]):
                assert list(times) == sorted(times), f"the window of {who.hex()} is out of order"
            met = [receiver for _, receiver in window.receivers]
            assert len(dict.fromkeys(met)) == len(met), f"{who.hex()} has met somebody twice"
        count = self.flag_count.get()
        kept = sorted(number for number, _ in self.flagged.items())
        assert kept == list(range(max(0, count - FLAGS_KEPT), count)), "a flag is missing"
        for number, case in self.case.items():
            assert case is not None
            assert number < self.next_case.get(), f"case {number} has an id that is still to come"
            assert (case.report is not None) == (case.state is CaseState.Reported), f"case {number}: report"

    # --- leaves of the above

    def _tell(self, event: Event) -> None:
        self.config.audit().note(self.index, event)
        self.deposit(event)

    def _ensure_officer(self, origin: Origin) -> None:
        if not self.config.officers.is_officer(ensure_signed(origin), Role.Cases):
            raise self.error(errors.NotOfficer)

    def _case_in(self, origin: Origin, case: CaseId, state: CaseState) -> Case:
        self._ensure_officer(origin)
        found = self.case.get(case)
        if found is None:
            raise self.error(errors.UnknownCase)
        if found.state is not state:
            raise self.error(errors.WrongState)
        return found

    def _find(self, movement: Movement, rules: dict[RuleKind, Rule]) -> tuple[RuleKind, ...]:
        """Return which rules find a movement, in their order; the sender's window then has it."""
        time = self.config.clock.now_ms() // SECOND_MS
        window = self.window.get(movement.sender)
        flags, memory = screen(Memory(window.amounts, window.times), _join(rules), time, movement.amount)
        found = [KINDS[flag] for flag in flags if KINDS[flag] in rules]
        receivers = window.receivers
        counterparty = rules.get(RuleKind.Counterparty)
        if counterparty is not None:
            receivers = meet(receivers, counterparty.window_s, time, movement.receiver)
            if len(receivers) > counterparty.threshold:
                found.append(RuleKind.Counterparty)
        if RuleKind.Sanction in rules and self._is_sanctioned(movement):
            found.append(RuleKind.Sanction)
        self.window.put(movement.sender, Window(memory.amounts, memory.times, receivers))
        return tuple(found)

    def _is_sanctioned(self, movement: Movement) -> bool:
        is_frozen = self.config.freezes.is_frozen
        return is_frozen(movement.sender) or is_frozen(movement.receiver)

    def _use_clearance(self, movement: Movement) -> None:
        """Use up the clearance of a movement; TransferHeld when there is none."""
        found = self.clearance.get(movement.sender)
        if found is None or found.amount < movement.amount or found.expires_ms <= self.config.clock.now_ms():
            raise self.error(errors.TransferHeld)
        self.clearance.remove(movement.sender)

    def _flag(self, rules: tuple[RuleKind, ...]) -> None:
        number = self.flag_count.get()
        self.flagged.put(number, Flagged(self.config.blocks.current_number(), self.extrinsic_index(), rules))
        self.flag_count.put(number + 1)
        if number >= FLAGS_KEPT:
            self.flagged.remove(number - FLAGS_KEPT)
        self._tell(events.TransferFlagged(number))


def _is_sound(kind: RuleKind, rule: Rule) -> bool:
    match kind:
        case RuleKind.Single:
            return rule.threshold > 0 and rule.window_s == 0
        case RuleKind.Rolling:
            return rule.threshold > 0 and rule.window_s > 0
        case RuleKind.Velocity | RuleKind.Counterparty:
            return 0 < rule.threshold <= NUMBERS_MAX[kind] and rule.window_s > 0
        case RuleKind.Sanction:
            return rule.threshold == 0 and rule.window_s == 0


def _join(rules: dict[RuleKind, Rule]) -> AmlRules:
    """Return the rules of amounts and times as one, with others that find next to nothing for those unset."""
    single, rolling = rules.get(RuleKind.Single, UNSET), rules.get(RuleKind.Rolling, UNSET)
    velocity = rules.get(RuleKind.Velocity, UNSET_VELOCITY)
    return AmlRules(
        single.threshold, rolling.threshold, rolling.window_s, velocity.threshold, velocity.window_s
    )
