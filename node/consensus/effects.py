"""Inputs and effects of consensus engines: small typed tuples, the whole language between an engine and its
driver.

An engine is an object with `start(now)` and `handle(input, now) -> list[Effect]`, times in milliseconds of a
monotonic clock. It performs nothing itself; the driver performs effects in order.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeAlias

from runtime.primitives.certificate import Certificate
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
