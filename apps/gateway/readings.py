"""What sources have said lately: a few readings of each feed by each source, and each source's last fault.

Responsible for the memory between those who measure and who answers; it decides nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from apps.gateway.errors import FaultKind, SourceFault

READINGS_MAX: Final = 32
"""Readings that are kept: some wait until the chain's time has come to them, and jumps are judged by
several."""


class Reading(NamedTuple):
    """A measured number of the feed's unit, and when it was measured, in milliseconds since 1970."""

    number: Decimal
    measured_ms: int


class Seen(NamedTuple):
    """A fault and when it was seen."""

    kind: FaultKind
    detail: str
    at_ms: int


class Poll(NamedTuple):
    """What one question to a source brought, by feed: a reading or what is wrong."""

    found: Mapping[str, Reading | SourceFault]


@dataclass
class SourceState:
    """One source: its readings by feed, when it last answered, and what is wrong with it or with a value of
    it."""

    name: str
    feeds: tuple[str, ...]
    readings: dict[str, deque[Reading]] = field(default_factory=dict)
    answered_ms: int | None = None
    fault: Seen | None = None
    faults: dict[str, Seen] = field(default_factory=dict)

    def take(self, poll: Poll, now_ms: int) -> list[SourceFault]:
        """Remember what a question brought; return the faults of single values."""
        self.answered_ms, self.fault = now_ms, None
        wrong: list[SourceFault] = []
        for key, one in poll.found.items():
            if isinstance(one, SourceFault):
                self.faults[key] = Seen(one.kind, one.detail, now_ms)
                wrong.append(one)
            else:
                self.faults.pop(key, None)
                kept = self.readings.setdefault(key, deque(maxlen=READINGS_MAX))
                if not kept or one.measured_ms > kept[-1].measured_ms:
                    kept.append(one)
        return wrong

    def fail(self, fault: SourceFault, now_ms: int) -> None:
        """Note that the source gave nothing."""
        self.fault = Seen(fault.kind, fault.detail, now_ms)

    def refuse(self, key: str, fault: SourceFault | None, now_ms: int) -> None:
        """Mark a feed's reading as refused by the feed's rules, or as good again."""
        if fault is not None:
            self.faults[key] = Seen(fault.kind, fault.detail, now_ms)
        elif key in self.faults and self.faults[key].kind in REFUSALS:
            del self.faults[key]

    def between(self, key: str, earliest_ms: int, latest_ms: int) -> tuple[Reading, ...]:
        """Return the readings of a feed that were measured in a span, ends included, the newest last."""
        kept = self.readings.get(key, ())
        return tuple(one for one in kept if earliest_ms <= one.measured_ms <= latest_ms)


REFUSALS: Final = frozenset({FaultKind.OUT_OF_RANGE, FaultKind.OUTLIER, FaultKind.JUMP})
"""What is wrong with a reading only by the rules of its feed."""


class Readings:
    """All sources of a gateway."""

    def __init__(self, sources: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        """Begin with the names of sources and the feeds that each has."""
        self.sources = {name: SourceState(name, feeds) for name, feeds in sources}

    def of_feed(self, key: str) -> tuple[SourceState, ...]:
        """Return the sources that have values of a feed."""
        return tuple(one for one in self.sources.values() if key in one.feeds)
