"""What must hold in every run, checked after every step and independently of what it checks.

Agreement, certificates, no contradicting signatures, heights that only grow, evidence that is sound and
complete, bounded memory. The checker keeps its own ledger of what correct validators signed and knows
neither guard nor tally.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from node.consensus.messages import Proposal, ViewChange, get_statement
from runtime.primitives.certificate import (
    STEP_COMMIT,
    Certificate,
    InvalidCertificate,
    verify_certificate,
)
from runtime.primitives.evidence import Evidence, InvalidEvidence, judge_evidence
from runtime.primitives.statements import STEP_PROPOSE, Claim, Prepared, Statement, Value, Vote
from runtime.primitives.types import Hash
from tests.sim.blocks import GENESIS, Block, Schedule
from tests.sim.signing import Keys

STATEMENTS_SURELY_KEPT: Final = 64
"""So many statements of one author a tally remembers; what contradicts older ones may pass."""


class Violation(Exception):
    """A rule was broken."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule


class _Signed:
    """What one correct validator signed for one height."""

    def __init__(self) -> None:
        self.at: dict[tuple[int, int], Value | Prepared | None] = {}
        self.commits: list[int] = []
        self.claims: list[tuple[int, int]] = []


class Checker:
    """The checks over all correct nodes."""

    def __init__(self, schedule: Schedule, keys: Keys, byzantine: Iterable[int]) -> None:
        self._schedule = schedule
        self._keys = keys
        self.byzantine = frozenset(byzantine)
        self.decided: dict[int, Hash] = {}
        self.deciders: dict[int, int] = {}
        """Who decided a height first."""
        self.heights: dict[int, int] = {}
        self.reports = 0
        self._signed: dict[tuple[int, int], _Signed] = defaultdict(_Signed)

    def on_decided(self, identity: int, instance: int, certificate: Certificate) -> bool:
        """Check a decision of a correct node; tell whether it is the first of its height."""
        if certificate.instance != instance:
            raise Violation("order", f"{identity} decides {certificate.instance} while at {instance}")
        decided = self.decided.get(instance)
        if decided is not None and decided != certificate.block_hash:
            raise Violation("agreement", f"two blocks decided at height {instance}")
        set_id = self._schedule.set_id(instance)
        committee = self._schedule.committee(set_id)
        try:
            verify_certificate(certificate, GENESIS, set_id, committee.authorities, self._keys.check)
        except InvalidCertificate as error:
            raise Violation("certificate", f"height {instance}: {error}") from error
        if certificate.number != instance:
            raise Violation("validity", f"block {certificate.number} decided at height {instance}")
        self.decided[instance] = certificate.block_hash
        if decided is None:
            self.deciders[instance] = identity
        return decided is None

    def on_final(self, identity: int, height: int, block: Block) -> None:
        """Check a final block, and that a node's final height goes up one by one, across restarts too."""
        if not block.is_valid or block.next_set != self._schedule.set_id(block.number + 1):
            raise Violation("validity", f"{identity} has an invalid block final at height {height}")
        known = self.heights.get(identity, 0)
        if height != known + 1:
            raise Violation("monotone height", f"{identity} went from {known} to {height}")
        self.heights[identity] = height

    def on_booted(self, identity: int, height: int) -> None:
        """Check that a restarted node forgot no final block."""
        if height < self.heights.get(identity, 0):
            raise Violation("monotone height", f"{identity} came back at {height}")

    def on_said(self, identity: int, statement: Statement) -> None:
        """Check a statement that leaves a correct validator against all it ever said."""
        signed = self._signed[identity, statement.instance]
        step, content = _place_of(statement), _content_of(statement)
        known = signed.at.setdefault(step, content)
        if known is not content and known != content:
            raise Violation("conflicting signature", f"{identity} says {known} and {content} at {step}")
        if isinstance(statement, Vote):
            if statement.step == STEP_COMMIT and statement.view not in signed.commits:
                signed.commits.append(statement.view)
                self._check_memory(identity, signed)
        elif known is content:
            prepared = -1 if statement.prepared is None else statement.prepared.view
            signed.claims.append((statement.view, prepared))
            self._check_memory(identity, signed)

    def on_reported(self, identity: int, evidence: Evidence) -> None:
        """Check that what a correct node reports proves something, and against a faulty one."""
        first = evidence.first
        committee = self._schedule.committee(self._schedule.set_id(first.instance))
        try:
            offence = judge_evidence(evidence, committee, self._keys.check)
        except InvalidEvidence as error:
            raise Violation("evidence", f"{identity} reports what proves nothing: {error}") from error
        accused = self._schedule.identity(first.set_id, first.index)
        if accused not in self.byzantine:
            raise Violation("evidence", f"{identity} reports {offence.value} of {accused}, which is correct")
        self.reports += 1

    def _check_memory(self, identity: int, signed: _Signed) -> None:
        for commit in signed.commits:
            for view, prepared in signed.claims:
                if view > commit > prepared:
                    raise Violation(
                        "amnesia", f"{identity} commits in {commit} and claims {prepared} prepared for {view}"
                    )


class Witness:
    """What one correct node was told in one instance, by validators that contradict themselves."""

    def __init__(self, schedule: Schedule, byzantine: frozenset[int], set_id: int) -> None:
        self._schedule = schedule
        members = schedule.sets[set_id]
        self._suspects = frozenset(place for place, each in enumerate(members) if each in byzantine)
        self._set_id = set_id
        self._heard: dict[int, dict[tuple[int, int], Value | Prepared | None]] = {}
        self._due: dict[int, str] = {}
        self._reported: list[int] = []

    def on_taken(self, message: Vote | ViewChange | Proposal) -> None:
        """Note a message that the engine is about to take."""
        statement = get_statement(message)
        if statement.index not in self._suspects:
            return
        _check_taken(statement, message)
        self._note(statement)

    def on_reported(self, index: int) -> None:
        """Note a report."""
        self._reported.append(index)

    def on_end(self) -> None:
        """Check, when the instance is decided, that whoever contradicted himself was reported."""
        for index, what in self._due.items():
            if index not in self._reported:
                raise Violation("evidence", f"nobody reported that {index} {what}")

    def _note(self, statement: Statement) -> None:
        index = statement.index
        committee = self._schedule.committee(self._set_id)
        place, content = _place_of(statement), _content_of(statement)
        if place[1] == STEP_PROPOSE and committee.leader(statement.instance, statement.view) != index:
            self._due.setdefault(index, f"proposed out of turn at {place}")
            return
        heard = self._heard.setdefault(index, {})
        if len(heard) >= STATEMENTS_SURELY_KEPT:
            return
        known = heard.setdefault(place, content)
        if known is not content and known != content:
            self._due.setdefault(index, f"said {known} and {content} at {place}")


def _place_of(statement: Statement) -> tuple[int, int]:
    """Return view and step, 0 being that of a claim for the view."""
    return statement.view, statement.step if isinstance(statement, Vote) else 0


def _content_of(statement: Statement) -> Value | Prepared | None:
    return statement.value if isinstance(statement, Vote) else statement.prepared


def _check_taken(statement: Statement, message: Vote | ViewChange | Proposal) -> None:
    """Check the rules of a claim that no outcome would show: a certificate proves more than it says."""
    claims = message.claims if isinstance(message, Proposal) else ()
    for claim in (statement, *claims):
        if isinstance(claim, Claim) and claim.prepared is not None and claim.prepared.view >= claim.view:
            raise Violation(
                "hygiene", f"a claim for {claim.view} of what was prepared in {claim.prepared.view}"
            )
