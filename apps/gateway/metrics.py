"""A gateway's counters for Prometheus; one registry for each gateway, no global one.

Labels are names of the configuration, feeds of the chain, kinds of faults and names of the pallet's errors:
all bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from apps.gateway.errors import FaultKind
from apps.gateway.status import Status, list_faults

LATENCY_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LANDING_BOUNDS_S: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
SOURCE: Final = ("source",)
FEED: Final = ("feed",)


class Metrics:
    """The instruments of one gateway."""

    def __init__(self, sources: Iterable[str], feeds: Iterable[str]) -> None:
        """Begin at zero for every source and feed, so that no series is missing until something happens."""
        registry = self.registry = CollectorRegistry()
        self.submissions = Counter(
            "loam_gateway_submissions", "Calls sent, by what became of them.", ("result",), registry=registry
        )
        self.refusals = Counter(
            "loam_gateway_refusals",
            "Calls that the chain refused, by its error.",
            ("error",),
            registry=registry,
        )
        self.answers = Counter(
            "loam_gateway_answers", "Answers that the chain accepted.", FEED, registry=registry
        )
        self.landing = Histogram(
            "loam_gateway_landing_seconds",
            "From signing a call to knowing its fate.",
            registry=registry,
            buckets=LANDING_BOUNDS_S,
        )
        self.latency = Histogram(
            "loam_gateway_source_latency_seconds",
            "How long a source took to answer.",
            SOURCE,
            registry=registry,
            buckets=LATENCY_BOUNDS_S,
        )
        self.faults = Counter(
            "loam_gateway_source_faults", "What sources got wrong.", ("source", "kind"), registry=registry
        )
        self.node_changes = Counter("loam_gateway_sessions", "Sessions with nodes.", registry=registry)
        self._gauges = {
            name: Gauge(f"loam_gateway_{name}", text, labels, registry=registry)
            for name, text, labels in (
                ("healthy", "1 when answers go out as they should.", ()),
                ("node_connected", "1 while a node sends blocks.", ()),
                ("clock_skew_seconds", "Own clock less the best block's time.", ()),
                ("fault_played", "1 while a fault is played on purpose.", ()),
                ("bond", "The provider's bond in the smallest unit.", ()),
                ("score_permille", "The provider's quality.", ()),
                ("source_up", "1 when a source's last answer had nothing wrong.", SOURCE),
                ("source_age_seconds", "Since a source answered last.", SOURCE),
                ("feed_round", "The last round answered.", FEED),
                ("feed_accepted_age_seconds", "Since an answer was accepted last.", FEED),
                ("feed_fresh", "1 while the chain's value is fresh.", FEED),
                ("strikes", "The provider's strikes in the last 360 rounds.", FEED),
            )
        }
        for name in sources:
            self.latency.labels(name)
            for kind in FaultKind:
                self.faults.labels(name, kind.value)
        for key in feeds:
            self.answers.labels(key)

    def refresh(self, status: Status, now_ms: int) -> None:
        """Bring the gauges up to date."""
        gauges = self._gauges
        gauges["healthy"].set(not status.list_reasons(now_ms))
        is_heard = status.head_ms is not None and now_ms - status.head_ms <= status.stall_ms
        gauges["node_connected"].set(status.node is not None and is_heard)
        gauges["clock_skew_seconds"].set((status.skew_ms or 0) / 1000)
        gauges["fault_played"].set(status.fault is not None)
        if status.provider is not None:
            gauges["bond"].set(status.provider.bond)
            gauges["score_permille"].set(status.provider.score)
        for source in status.readings.sources.values():
            gauges["source_up"].labels(source.name).set(
                not list_faults(source) and source.answered_ms is not None
            )
            if source.answered_ms is not None:
                gauges["source_age_seconds"].labels(source.name).set((now_ms - source.answered_ms) / 1000)
        for key, feed in status.feeds.items():
            gauges["feed_round"].labels(key).set(feed.answered_round)
            gauges["feed_fresh"].labels(key).set(feed.view.fresh_value is not None)
            if key in status.accepted_ms:
                age_ms = now_ms - status.accepted_ms[key]
                gauges["feed_accepted_age_seconds"].labels(key).set(age_ms / 1000)
            if status.provider is not None:
                gauges["strikes"].labels(key).set(status.provider.strikes.get(feed.view.feed, 0))
