"""The node's counters, under Substrate's metric names so that its public dashboards and alerts work.

Instruments are plain numbers, because an addition is all that a hot path can afford; they become Prometheus
families when a scrape asks. One `NodeMetrics` per node, one `ChainMetrics` per chain: no global registry.
This module must not know who counts, nor who scrapes.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

ROLE_FULL = 1
ROLE_AUTHORITY = 4

# Method names are the server's own, never a caller's; the bound is a second line of defence.
RPC_LABELS_MAX = 512
RPC_UNKNOWN = "unknown"

# Bucket bounds of substrate_rpc_calls_time, in microseconds: Substrate's.
RPC_BOUNDS_US = (5, 25, 100, 500, 1_000, 2_500, 10_000, 25_000, 100_000, 1_000_000, 10_000_000)
SESSION_BOUNDS_S = (1, 10, 60, 600, 3_600, 86_400)
BLOCK_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LAG_BOUNDS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Value:
    """A number that is set, or counted up."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def set(self, value: float) -> None:
        """Replace the number."""
        self.value = value

    def add(self, amount: float = 1) -> None:
        """Count up."""
        self.value += amount


class Histogram:
    """Counts observations by bound; a value equal to a bound belongs to it."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total: float = 0

    def observe(self, value: float, times: int = 1) -> None:
        """Count `times` observations of a value."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def list_buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative counts, labelled as Prometheus wants them."""
        buckets, sum_so_far = [], 0
        for bound, count in zip((*map(str, map(float, self.bounds)), "+Inf"), self.counts, strict=True):
            sum_so_far += count
            buckets.append((bound, float(sum_so_far)))
        return buckets


class RpcMetrics:
    """The RPC server's observer: calls by protocol and method, sessions."""

    def __init__(self) -> None:
        self.started: dict[tuple[str, str], int] = {}
        self.finished: dict[tuple[str, str, bool], int] = {}
        self.times: dict[tuple[str, str, bool], Histogram] = {}
        self.sessions_opened = Value()
        self.sessions_closed = Value()
        self.session_times = Histogram(SESSION_BOUNDS_S)

    def on_started(self, protocol: str, method: str, calls: int) -> None:
        """Calls were accepted for dispatch."""
        key = (protocol, self._bound(protocol, method))
        self.started[key] = self.started.get(key, 0) + calls

    def on_finished(self, protocol: str, method: str, calls: int, errors: int, took_us: int) -> None:
        """Calls were answered in `took_us` microseconds together."""
        method = self._bound(protocol, method)
        if calls > errors:
            self._count_finished(protocol, method, calls - errors, is_error=False)
        if errors:
            self._count_finished(protocol, method, errors, is_error=True)
        self._get_times(protocol, method, is_rate_limited=False).observe(took_us // max(calls, 1), calls)

    def on_rate_limited(self, protocol: str, method: str, calls: int) -> None:
        """Calls were refused by the rate limit."""
        method = self._bound(protocol, method)
        self._count_finished(protocol, method, calls, is_error=True)
        self._get_times(protocol, method, is_rate_limited=True).observe(0, calls)

    def on_session_opened(self) -> None:
        """A WebSocket was opened."""
        self.sessions_opened.add()

    def on_session_closed(self, took_us: int) -> None:
        """A WebSocket was closed."""
        self.sessions_closed.add()
        self.session_times.observe(took_us // 1_000_000)

    def _bound(self, protocol: str, method: str) -> str:
        if (protocol, method) in self.started or len(self.started) < RPC_LABELS_MAX:
            return method
        return RPC_UNKNOWN

    def _count_finished(self, protocol: str, method: str, calls: int, *, is_error: bool) -> None:
        key = (protocol, method, is_error)
        self.finished[key] = self.finished.get(key, 0) + calls

    def _get_times(self, protocol: str, method: str, *, is_rate_limited: bool) -> Histogram:
        key = (protocol, method, is_rate_limited)
        if key not in self.times:
            self.times[key] = Histogram(RPC_BOUNDS_US)
        return self.times[key]


class ChainMetrics:
    """The instruments of one chain."""

    def __init__(self) -> None:
        self.best_height = Value()
        self.finalized_height = Value()
        self.sync_target_height = Value()
        self.leaves = Value()
        self.ready_transactions = Value()
        self.database_cache_bytes = Value()
        self.database_bytes = Value()
        self.sync_queued_blocks = Value()
        self.sync_fork_targets = Value()
        self.is_major_syncing = Value()
        self.peers = Value()
        self.received_bytes = Value()
        self.sent_bytes = Value()
        self.validations_scheduled = Value()
        self.validations_finished = Value()
        self.proposed_transactions = Value()
        self.block_construction_s = Histogram(BLOCK_BOUNDS_S)
        self.block_import_s = Histogram(BLOCK_BOUNDS_S)
        self.rpc = RpcMetrics()


class NodeMetrics(Collector):
    """All metrics of a node, in a registry of its own."""

    def __init__(self, *, name: str, version: str, role: int, started_ms: int) -> None:
        self.registry = CollectorRegistry()
        self.loop_lag_s = Histogram(LAG_BOUNDS_S)
        self._build = {"name": name, "version": version}
        self._role = role
        self._started_ms = started_ms
        self._chains: dict[str, ChainMetrics] = {}
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def add_chain(self, chain: str) -> ChainMetrics:
        """Return the instruments of a chain, whose id becomes the label `chain`."""
        return self._chains.setdefault(chain, ChainMetrics())

    def collect(self) -> Iterator[Metric]:
        """Yield every family; called by a scrape, in whichever thread renders it."""
        chains = dict(self._chains)
        yield from self._collect_node(chains)
        for name, text, labelled in CHAIN_VALUES:
            family = _make_family(name, text)
            for chain, metrics in chains.items():
                for label, attribute in labelled.items():
                    labels = {"chain": chain, **_parse_label(label)}
                    family.add_sample(name, labels, getattr(metrics, attribute).value)
            yield family
        for name, text, attribute in CHAIN_HISTOGRAMS:
            histogram = HistogramMetricFamily(name, text, labels=("chain",))
            for chain, metrics in chains.items():
                _add_histogram(histogram, (chain,), getattr(metrics, attribute))
            yield histogram
        yield from _collect_rpc({chain: metrics.rpc for chain, metrics in chains.items()})

    def _collect_node(self, chains: Mapping[str, ChainMetrics]) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "substrate_build_info", "Name and version", labels=("name", "version", "chain")
        )
        roles = GaugeMetricFamily(
            "substrate_node_roles", "1 for a full node, 4 for an authority", labels=("chain",)
        )
        started = GaugeMetricFamily(
            "substrate_process_start_time_seconds", "Unix time of the start", labels=("chain",)
        )
        for chain in chains:
            build.add_metric((self._build["name"], self._build["version"], chain), 1)
            roles.add_metric((chain,), self._role)
            started.add_metric((chain,), self._started_ms // 1000)
        lag = HistogramMetricFamily("loam_event_loop_lag_seconds", "How late the event loop wakes up")
        _add_histogram(lag, (), self.loop_lag_s)
        yield from (build, roles, started, lag)


# Name, help, and for each value its extra label ("" for none) and the attribute of ChainMetrics.
CHAIN_VALUES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    (
        "substrate_block_height",
        "Block numbers",
        {
            "status=best": "best_height",
            "status=finalized": "finalized_height",
            "status=sync_target": "sync_target_height",
        },
    ),
    ("substrate_number_leaves", "Heads of the block tree", {"": "leaves"}),
    ("substrate_ready_transactions_number", "Transactions ready for a block", {"": "ready_transactions"}),
    ("substrate_database_cache_bytes", "Memory of the database itself", {"": "database_cache_bytes"}),
    ("loam_database_bytes", "Database files", {"": "database_bytes"}),
    ("substrate_sync_queued_blocks", "Blocks waiting for import", {"": "sync_queued_blocks"}),
    ("substrate_sync_fork_targets", "Fork targets", {"": "sync_fork_targets"}),
    ("substrate_sub_libp2p_is_major_syncing", "1 while catching up", {"": "is_major_syncing"}),
    ("substrate_sub_libp2p_peers_count", "Connected peers", {"": "peers"}),
    (
        "substrate_sub_libp2p_network_bytes_total",
        "Bytes exchanged with peers",
        {"direction=in": "received_bytes", "direction=out": "sent_bytes"},
    ),
    ("substrate_sub_txpool_validations_scheduled", "Validations begun", {"": "validations_scheduled"}),
    ("substrate_sub_txpool_validations_finished", "Validations ended", {"": "validations_finished"}),
    (
        "substrate_proposer_number_of_transactions",
        "Transactions of the last block",
        {"": "proposed_transactions"},
    ),
)
CHAIN_HISTOGRAMS = (
    ("substrate_proposer_block_constructed", "Seconds to build a block", "block_construction_s"),
    ("substrate_block_verification_and_import_time", "Seconds to check and import a block", "block_import_s"),
)
# Substrate's counters lack the suffix that the text format wants of one, so they are exposed untyped.
COUNTERS = frozenset(
    {
        "substrate_sub_txpool_validations_scheduled",
        "substrate_sub_txpool_validations_finished",
    }
)


def _make_family(name: str, text: str) -> Metric:
    if name.endswith("_total"):
        return Metric(name.removesuffix("_total"), text, "counter")
    return Metric(name, text, "unknown" if name in COUNTERS else "gauge")


def _parse_label(label: str) -> dict[str, str]:
    key, separator, value = label.partition("=")
    return {key: value} if separator else {}


def _add_histogram(family: HistogramMetricFamily, labels: Sequence[str], histogram: Histogram) -> None:
    family.add_metric(labels, buckets=histogram.list_buckets(), sum_value=histogram.total)


def _collect_rpc(chains: Mapping[str, RpcMetrics]) -> Iterator[Metric]:
    started = Metric("substrate_rpc_calls_started", "Calls accepted", "unknown")
    finished = Metric("substrate_rpc_calls_finished", "Calls answered", "unknown")
    opened = Metric("substrate_rpc_sessions_opened", "WebSockets opened", "unknown")
    closed = Metric("substrate_rpc_sessions_closed", "WebSockets closed", "unknown")
    times = HistogramMetricFamily(
        "substrate_rpc_calls_time",
        "Microseconds to answer a call",
        labels=("chain", "protocol", "method", "is_rate_limited"),
    )
    sessions = HistogramMetricFamily(
        "substrate_rpc_sessions_time", "Seconds of a WebSocket", labels=("chain",)
    )
    for chain, rpc in chains.items():
        for (protocol, method), calls in list(rpc.started.items()):
            labels = {"chain": chain, "protocol": protocol, "method": method}
            started.add_sample(started.name, labels, calls)
        for (protocol, method, is_error), calls in list(rpc.finished.items()):
            labels = {
                "chain": chain,
                "protocol": protocol,
                "method": method,
                "is_error": str(is_error).lower(),
            }
            finished.add_sample(finished.name, labels, calls)
        for (protocol, method, is_limited), histogram in list(rpc.times.items()):
            _add_histogram(times, (chain, protocol, method, str(is_limited).lower()), histogram)
        opened.add_sample(opened.name, {"chain": chain}, rpc.sessions_opened.value)
        closed.add_sample(closed.name, {"chain": chain}, rpc.sessions_closed.value)
        _add_histogram(sessions, (chain,), rpc.session_times)
    yield from (started, finished, times, opened, closed, sessions)
