"""Metric names are Substrate's, labels are bounded, and each node has a registry of its own."""

import asyncio
import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from node.telemetry.exporter import CACHE_S, Page, measure_loop_lag, serve_metrics
from node.telemetry.metrics import (
    ROLE_AUTHORITY,
    RPC_BOUNDS_US,
    RPC_LABELS_MAX,
    RPC_UNKNOWN,
    Histogram,
    NodeMetrics,
    RpcMetrics,
)
from tests.support.clock import ManualClock

# The names that dashboards, alerts and zombienet read.
NAMES = [
    "substrate_build_info",
    "substrate_node_roles",
    "substrate_process_start_time_seconds",
    "substrate_block_height",
    "substrate_number_leaves",
    "substrate_ready_transactions_number",
    "substrate_database_cache_bytes",
    "substrate_sync_queued_blocks",
    "substrate_sync_fork_targets",
    "substrate_sub_libp2p_is_major_syncing",
    "substrate_sub_libp2p_peers_count",
    "substrate_sub_libp2p_network_bytes_total",
    "substrate_rpc_sessions_opened",
    "substrate_rpc_sessions_closed",
    "substrate_rpc_sessions_time_bucket",
    "substrate_sub_txpool_validations_scheduled",
    "substrate_sub_txpool_validations_finished",
    "substrate_proposer_block_constructed_bucket",
    "substrate_block_verification_and_import_time_bucket",
]


def make() -> NodeMetrics:
    return NodeMetrics(name="Loam Node", version="0.1.0", role=ROLE_AUTHORITY, started_ms=1_700_000_000_123)


def read(metrics: NodeMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_names_are_those_of_substrate() -> None:
    metrics = make()
    metrics.add_chain("dev")
    names = {name for name, _ in read(metrics)}
    assert set(NAMES) <= names
    assert "process_resident_memory_bytes" in names


def test_values_carry_the_chain_and_their_own_label() -> None:
    metrics = make()
    dev, local = metrics.add_chain("dev"), metrics.add_chain("local")
    dev.best_height.set(7)
    dev.finalized_height.set(5)
    local.best_height.set(9)
    dev.validations_scheduled.add(3)
    dev.sent_bytes.add(10)
    samples = read(metrics)
    assert samples["substrate_block_height", (("chain", "dev"), ("status", "best"))] == 7
    assert samples["substrate_block_height", (("chain", "dev"), ("status", "finalized"))] == 5
    assert samples["substrate_block_height", (("chain", "local"), ("status", "best"))] == 9
    assert samples["substrate_sub_txpool_validations_scheduled", (("chain", "dev"),)] == 3
    assert samples["substrate_sub_libp2p_network_bytes_total", (("chain", "dev"), ("direction", "out"))] == 10
    assert samples["substrate_node_roles", (("chain", "dev"),)] == 4
    assert samples["substrate_process_start_time_seconds", (("chain", "dev"),)] == 1_700_000_000
    assert (
        samples["substrate_build_info", (("chain", "dev"), ("name", "Loam Node"), ("version", "0.1.0"))] == 1
    )


def test_a_chain_is_added_once() -> None:
    metrics = make()
    assert metrics.add_chain("dev") is metrics.add_chain("dev")


def test_two_nodes_in_one_process_share_nothing() -> None:
    first, second = make(), make()
    first.add_chain("dev").best_height.set(1)
    second.add_chain("dev")
    assert read(second)["substrate_block_height", (("chain", "dev"), ("status", "best"))] == 0


def test_histogram_counts_a_value_in_the_bucket_of_its_bound() -> None:
    histogram = Histogram((1, 10))
    for value in (0, 1, 2, 10, 11):
        histogram.observe(value)
    assert histogram.list_buckets() == [("1.0", 2), ("10.0", 4), ("+Inf", 5)]
    assert histogram.total == 24


def test_rpc_calls_are_counted_by_protocol_method_and_outcome() -> None:
    metrics = make()
    rpc = metrics.add_chain("dev").rpc
    rpc.on_started("ws", "system_health", 1)
    rpc.on_finished("ws", "system_health", 1, 0, 30)
    rpc.on_started("http", "author_submitExtrinsic", 100)
    rpc.on_finished("http", "author_submitExtrinsic", 100, 2, 10_000)
    rpc.on_rate_limited("http", "state_call", 3)
    rpc.on_session_opened()
    rpc.on_session_closed(2_000_000)
    samples = read(metrics)
    chain, http, submit = ("chain", "dev"), ("protocol", "http"), ("method", "author_submitExtrinsic")
    assert samples["substrate_rpc_calls_started", (chain, submit, http)] == 100
    assert samples["substrate_rpc_calls_finished", (chain, ("is_error", "true"), submit, http)] == 2
    assert samples["substrate_rpc_calls_finished", (chain, ("is_error", "false"), submit, http)] == 98
    limited = ("is_rate_limited", "false")
    assert samples["substrate_rpc_calls_time_bucket", (chain, limited, ("le", "100.0"), submit, http)] == 100
    assert samples["substrate_rpc_calls_time_bucket", (chain, limited, ("le", "25.0"), submit, http)] == 0
    assert samples["substrate_rpc_sessions_time_sum", (chain,)] == 2
    assert len(RPC_BOUNDS_US) == 11


@pytest.mark.parametrize(
    ("methods", "labels"), [(RPC_LABELS_MAX, RPC_LABELS_MAX), (RPC_LABELS_MAX + 50, RPC_LABELS_MAX + 1)]
)
def test_flood_of_method_names_collapses_to_one_label(methods: int, labels: int) -> None:
    rpc = RpcMetrics()
    for number in range(methods):
        rpc.on_started("ws", f"m{number}", 1)
        rpc.on_finished("ws", f"m{number}", 1, 0, 1)
    assert len(rpc.started) == labels
    assert sum(rpc.started.values()) == methods
    if labels > RPC_LABELS_MAX:
        assert rpc.started["ws", RPC_UNKNOWN] == 50


class CountingCollector(Collector):
    """Counts its renderings."""

    def __init__(self) -> None:
        self.renderings = 0

    def collect(self) -> list[object]:  # type: ignore[override] # no metric is needed
        self.renderings += 1
        return []


async def test_page_is_rendered_once_a_second_however_many_ask() -> None:
    registry, clock, collector = CollectorRegistry(), ManualClock(), CountingCollector()
    registry.register(collector)
    before = collector.renderings
    refreshed: list[None] = []
    page = Page(registry, clock.monotonic, lambda: refreshed.append(None))
    await asyncio.gather(*(page.render() for _ in range(20)))
    assert collector.renderings == before + 1
    clock.advance(int(CACHE_S * 1000) - 1)
    await page.render()
    assert collector.renderings == before + 1
    clock.advance(1)
    await page.render()
    assert collector.renderings == before + 2
    assert len(refreshed) == 2


@pytest.mark.net
async def test_exporter_serves_the_metrics_and_nothing_else() -> None:
    metrics, clock = make(), ManualClock()
    metrics.add_chain("dev").best_height.set(3)
    async with (
        serve_metrics(metrics.registry, 0, now=clock.monotonic, refresh=lambda: None) as port,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
            assert response.status == 200
            assert 'substrate_block_height{chain="dev",status="best"} 3.0' in await response.text()
        for path in ("/", "/metrics/x", "/health"):
            async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                assert response.status == 404
        async with session.post(f"http://127.0.0.1:{port}/metrics", data=b"x" * 100_000) as response:
            assert response.status == 405


@pytest.mark.net
async def test_taken_port_is_an_oserror() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="address already in use"):
            async with serve_metrics(
                make().registry, port, now=ManualClock().monotonic, refresh=lambda: None
            ):
                pass


async def test_loop_lag_is_measured() -> None:
    histogram, readings = Histogram((1.0, 10.0)), iter((0.0, 5.25, 5.25))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await measure_loop_lag(histogram, lambda: next(readings))
    assert histogram.counts == [0, 1, 0]
