"""The metrics of a node at work move: each instrument that makes sense for one authority is fed."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.processes.running import Load, RunningNode, free_port

MOVING = (
    "substrate_proposer_block_constructed_count",
    "substrate_proposer_block_constructed_sum",
    "substrate_proposer_number_of_transactions",
    "substrate_sub_txpool_validations_scheduled",
    "substrate_sub_txpool_validations_finished",
    "substrate_database_cache_bytes",
    "substrate_number_leaves",
    "loam_database_bytes",
    "loam_event_loop_lag_seconds_count",
    "process_open_fds",
    "process_resident_memory_bytes",
)
SCRAPE_CACHE_S = 1.1


def scrape(port: int) -> dict[tuple[str, str], float]:
    """Return the sum of the samples of a name, and of a name and each of its statuses and methods."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text = page.read().decode()
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for label in {"", sample.labels.get("status", ""), sample.labels.get("method", "")}:
                key = (sample.name, label)
                found[key] = found.get(key, 0) + sample.value
    return found


@pytest.mark.slow
@pytest.mark.net
def test_metrics_of_a_node_at_work_move(tmp_path: Path) -> None:
    port = free_port()
    with RunningNode(tmp_path / "node", metrics_port=port) as node:
        for word in ("made_up", "made_up_too"):
            node.send({"jsonrpc": "2.0", "id": 1, "method": word, "params": []})
        with Load(node, ["Alice"]) as load:
            node.wait_finalized(2)
        time.sleep(SCRAPE_CACHE_S)  # a page may be that old
        seen = scrape(port)
    assert load.accepted > 0
    assert [name for name in MOVING if not seen[name, ""] > 0] == []
    assert seen["substrate_sub_txpool_validations_finished", ""] >= load.accepted
    best = seen["substrate_block_height", "best"]
    assert best >= seen["substrate_block_height", "finalized"] >= 2
    assert seen["substrate_block_height", "sync_target"] == best
    assert seen["substrate_rpc_calls_started", "unknown"] == 2
    assert ("substrate_rpc_calls_started", "made_up") not in seen
    # Microseconds, not the whole milliseconds of the event loop's clock.
    assert seen["substrate_rpc_calls_time_sum", "system_health"] % 1000 != 0
