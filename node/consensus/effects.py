"""Inputs and effects of consensus engines: small typed tuples, the whole language between an engine and its
driver.

An engine is an object with `start(now)` and `handle(input, now) -> list[Effect]`, times in milliseconds of a
monotonic clock. It performs nothing itself; the driver performs effects in order (`agenda`), and what an
effect says must be durable is durable before any later effect.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeAlias

from node.consensus.messages import Proposal, Status, ViewChange
from runtime.primitives.certificate import Certificate
from runtime.primitives.committee import Committee
from runtime.primitives.evidence import Evidence
from runtime.primitives.statements import Statement, Value, Vote
from runtime.primitives.types import Hash


class BlockImported(NamedTuple):
    """A block became the best one; `set_id` is the set that certifies it, `authority` this node's place in
    it."""

    number: int
    hash: Hash
    set_id: int
    authority: int | None


class TimerFired(NamedTuple):
    """The time that `SetTimer` asked for has come."""


class VoteSigned(NamedTuple):
    """The vote that `SignVote` asked for, as a certificate with this one vote; None when the guard
    refused."""

    certificate: Certificate | None


class CertificateReceived(NamedTuple):
    """A certificate from elsewhere, verified by the driver."""

    certificate: Certificate


Input: TypeAlias = BlockImported | TimerFired | VoteSigned | CertificateReceived


class SetTimer(NamedTuple):
    """Hand in `TimerFired` at this time; a later one replaces it."""

    at_ms: int


class SignVote(NamedTuple):
    """Sign a commit vote under the guard and hand it in as `VoteSigned`."""

    certificate: Certificate
    authority: int


class Finalize(NamedTuple):
    """Make the certificate's block final, durably, before any later effect."""

    certificate: Certificate


Effect: TypeAlias = SetTimer | SignVote | Finalize


class Engine(Protocol):
    """A finality engine."""

    def start(self, now: int) -> list[Effect]:
        """Begin; return the first effects."""
        ...

    def handle(self, event: Input, now: int) -> list[Effect]:
        """Take an input in; return the effects in order. Never raises for bad input."""
        ...


# --- agreement among several authorities (pbft)


class Resume(NamedTuple):
    """Where a validator that was restarted stands in the instance it was in: the view that its guard names,
    and the PREPAREs that it had seen a quorum of."""

    view: int
    prepared: Certificate | None


class Begun(NamedTuple):
    """The next instance can be decided: what it stands on is final and durable.

    `authority` is this node's place in the committee, None for an observer. Before `due_ms` nobody proposes.
    """

    instance: int
    committee: Committee
    authority: int | None
    due_ms: int
    resume: Resume | None = None


class Received(NamedTuple):
    """A message for the instance that was begun last, right by `checks`, its signatures verified."""

    message: Vote | ViewChange | Proposal


class Built(NamedTuple):
    """The block that `Build` asked for, valid and durable here."""

    view: int
    value: Value


class Judged(NamedTuple):
    """The verdict on a block; a valid one is durable here."""

    value: Value
    is_valid: bool


class Signed(NamedTuple):
    """The statement that `Sign` asked for, with its signature; None when the guard refused."""

    statement: Statement | None


class Certified(NamedTuple):
    """A certificate for the instance that was begun last, verified by the driver."""

    certificate: Certificate


PbftInput: TypeAlias = Begun | Received | Built | Judged | Signed | Certified | TimerFired


class Build(NamedTuple):
    """Build a block for a view that this node leads, and hand it in as `Built`."""

    view: int


class Judge(NamedTuple):
    """Get a block from wherever it is, execute it, and hand in the verdict as `Judged`.

    With `is_binding` a quorum has prepared it: what this node prefers does not count, only whether the block
    is valid by the chain's rules.
    """

    value: Value
    is_binding: bool


class Persist(NamedTuple):
    """Make it durable that a quorum prepared a block."""

    prepared: Certificate


class Sign(NamedTuple):
    """Sign a statement under the guard and hand it in as `Signed` before any other input."""

    statement: Statement


class Broadcast(NamedTuple):
    """Send a message to all validators."""

    message: Vote | ViewChange | Proposal | Status


class Decide(NamedTuple):
    """Make the certificate's block final, durably; then begin the next instance."""

    certificate: Certificate


class Report(NamedTuple):
    """Keep the proof that an authority broke the protocol, for the chain to judge."""

    evidence: Evidence


PbftEffect: TypeAlias = SetTimer | Build | Judge | Persist | Sign | Broadcast | Decide | Report
