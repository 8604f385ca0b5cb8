"""How a gateway stands: what it knows of node, sources, feeds and its own provider, and whether that is
healthy.

The session and the sources write here, the page of health and the metrics read. It decides nothing but what
is reported; a gateway with a bad source that others stand in for is healthy, one whose feed has no answer is
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from apps.gateway.feeds import FeedState
from apps.gateway.readings import Readings, Seen, SourceState
from apps.gateway.settings import Fault

LATE_HEARTBEATS: Final = 3
"""A feed that had no answer accepted for so many heartbeats is a reason to be unhealthy."""
BOND_MIN_PERCENT: Final = 90


class ProviderState(NamedTuple):
    """What the chain says of the provider: its key for statements, its bond, strikes by feed, score in
    permille."""

    key: bytes
    bond: int
    bond_full: int
    strikes: Mapping[int, int]
    score: int

    @property
    def can_answer(self) -> bool:
        """Whether the bond is large enough for answers to be taken."""
        return self.bond * 100 >= self.bond_full * BOND_MIN_PERCENT


@dataclass
class Status:
    """The state of one gateway; moments are milliseconds since 1970 by its own clock."""

    account: str
    started_ms: int
    stall_ms: int
    skew_max_ms: int
    readings: Readings
    fault: Fault | None = None
    node: str | None = None
    node_reason: str = "no node was reached yet"
    head_ms: int | None = None
    chain_ms: int | None = None
    skew_ms: int | None = None
    is_known: bool = False
    provider: ProviderState | None = None
    key_differs: bool = False
    feeds: dict[str, FeedState] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    accepted_ms: dict[str, int] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)

    def list_reasons(self, now_ms: int) -> list[str]:
        """Return why the gateway does not do its work, nothing when it does."""
        reasons = [*self._list_of_node(now_ms), *self._list_of_provider()]
        for key, reason in sorted(self.wrong.items()):
            reasons.append(f"{key}: {reason}")
        for key, feed in sorted(self.feeds.items()):
            since = self.accepted_ms.get(key, self.started_ms)
            if not feed.view.is_paused and now_ms - since > LATE_HEARTBEATS * feed.view.heartbeat_ms:
                held = self.held.get(key)
                reasons.append(f"{key}: no answer accepted for {(now_ms - since) // 1000} s" + _because(held))
        return reasons

    def list_warnings(self) -> list[str]:
        """Return what somebody should look at although answers go out."""
        warnings = [
            f"source {one.name}: {_tell(seen)}"
            for one in self.readings.sources.values()
            for seen in list_faults(one)
        ]
        if self.skew_ms is not None and abs(self.skew_ms) > self.skew_max_ms:
            warnings.append(f"own clock and chain differ by {self.skew_ms} ms")
        if self.key_differs:
            warnings.append("the chain has another oracle key of this provider")
        if self.fault is not None:
            warnings.append(f"plays a fault on purpose: {self.fault.kind}")
        return warnings

    def describe(self, now_ms: int) -> dict[str, Any]:
        """Return everything for the page of health."""
        reasons = self.list_reasons(now_ms)
        return {
            "healthy": not reasons,
            "reasons": reasons,
            "warnings": self.list_warnings(),
            "account": self.account,
            "node": self.node,
            "head_age_ms": None if self.head_ms is None else now_ms - self.head_ms,
            "clock_skew_ms": self.skew_ms,
            "fault": None if self.fault is None else self.fault.kind,
            "provider": None if self.provider is None else _describe_provider(self.provider),
            "sources": {one.name: _describe_source(one, now_ms) for one in self.readings.sources.values()},
            "feeds": {key: self._describe_feed(key, feed, now_ms) for key, feed in self.feeds.items()},
        }

    def _list_of_node(self, now_ms: int) -> list[str]:
        if self.node is None or self.head_ms is None:
            return [f"node: {self.node_reason}"]
        if now_ms - self.head_ms > self.stall_ms:
            return [f"node: no block for {(now_ms - self.head_ms) // 1000} s"]
        return []

    def _list_of_provider(self) -> list[str]:
        if not self.is_known:
            return []
        if self.provider is None:
            return ["provider: the account is none"]
        if not self.provider.can_answer:
            return ["provider: the bond is too low to answer, see Oracle.restore_bond"]
        return []

    def _describe_feed(self, key: str, feed: FeedState, now_ms: int) -> dict[str, Any]:
        accepted = self.accepted_ms.get(key)
        view = feed.view
        return {
            "round": None if feed.answered_round < 0 else feed.answered_round,
            "value": None if feed.answered_value is None else str(feed.answered_value),
            "accepted_age_ms": None if accepted is None else now_ms - accepted,
            "chain_value": None if view.fresh_value is None else str(view.fresh_value),
            "chain_round": view.latest_round,
            "is_fresh": view.fresh_value is not None,
            "is_paused": view.is_paused,
            "held": self.held.get(key),
        }


def list_faults(source: SourceState) -> list[Seen]:
    """Return what is wrong with a source: all of it, or single values."""
    return [source.fault] if source.fault is not None else list(source.faults.values())


def _because(held: str | None) -> str:
    return "" if held is None else f" ({held})"


def _tell(seen: Seen) -> str:
    return f"{seen.kind}: {seen.detail}"


def _describe_source(source: SourceState, now_ms: int) -> dict[str, Any]:
    return {
        "age_ms": None if source.answered_ms is None else now_ms - source.answered_ms,
        "fault": None if source.fault is None else _tell(source.fault),
        "values": {
            key: {
                "fault": _tell(source.faults[key]) if key in source.faults else None,
                "number": str(kept[-1].number) if (kept := source.readings.get(key)) else None,
                "measured_age_ms": now_ms - kept[-1].measured_ms if kept else None,
            }
            for key in source.feeds
        },
    }


def _describe_provider(provider: ProviderState) -> dict[str, Any]:
    return {
        "bond": str(provider.bond),
        "bond_full": str(provider.bond_full),
        "strikes": {str(feed): count for feed, count in sorted(provider.strikes.items())},
        "score": provider.score,
    }
