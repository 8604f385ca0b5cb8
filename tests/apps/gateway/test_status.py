"""A gateway is healthy while its answers go out, and its pages say why when they do not."""

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from apps.gateway.errors import FaultKind, SourceFault
from apps.gateway.feeds import FeedState
from apps.gateway.metrics import Metrics
from apps.gateway.pages import serve_pages
from apps.gateway.readings import Poll, Readings
from apps.gateway.settings import Fault
from apps.gateway.status import LATE_HEARTBEATS, ProviderState, Status
from tests.support.gateway import KEY, NOW_MS, ROUND, VIEW, HandClock

STALL_MS = 15_000


def healthy() -> Status:
    status = Status("5G", NOW_MS, STALL_MS, 5_000, Readings([("a", (KEY,)), ("b", (KEY,))]))
    status.node, status.head_ms, status.chain_ms, status.skew_ms = "ws://a", NOW_MS, NOW_MS, 0
    status.is_known, status.provider = True, ProviderState(bytes(32), 100, 100, {0: 2}, 990)
    status.feeds = {KEY: FeedState(VIEW._replace(fresh_value=47_500), ROUND, 47_500)}
    status.accepted_ms = {KEY: NOW_MS}
    return status


def test_a_gateway_that_answers_is_healthy() -> None:
    assert healthy().list_reasons(NOW_MS) == []
    assert healthy().list_warnings() == []


def test_a_gateway_without_a_node_says_why() -> None:
    status = healthy()
    assert status.list_reasons(NOW_MS + STALL_MS) == []
    assert status.list_reasons(NOW_MS + STALL_MS + 1_000) == ["node: no block for 16 s"]
    status.node, status.node_reason = None, "ws://a cannot be reached"
    assert status.list_reasons(NOW_MS) == ["node: ws://a cannot be reached"]


def test_a_feed_without_an_answer_is_a_reason_after_some_heartbeats_unless_it_is_paused() -> None:
    status = healthy()
    late_ms = NOW_MS + LATE_HEARTBEATS * VIEW.heartbeat_ms
    status.head_ms = late_ms
    assert status.list_reasons(late_ms) == []
    status.held[KEY] = "0 of at least 1 sources usable"
    assert status.list_reasons(late_ms + 1) == [
        f"{KEY}: no answer accepted for 30 s (0 of at least 1 sources usable)"
    ]
    status.feeds[KEY].view = VIEW._replace(is_paused=True)
    assert status.list_reasons(late_ms + 1) == []


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        (None, "provider: the account is none"),
        (
            ProviderState(bytes(32), 89, 100, {}, 0),
            "provider: the bond is too low to answer, see Oracle.restore_bond",
        ),
        (ProviderState(bytes(32), 90, 100, {}, 0), None),
    ],
)
def test_an_account_that_cannot_answer_is_a_reason(
    provider: ProviderState | None, reason: str | None
) -> None:
    status = healthy()
    status.provider = provider
    assert status.list_reasons(NOW_MS) == ([] if reason is None else [reason])


def test_a_feed_that_the_chain_has_otherwise_is_a_reason() -> None:
    status = healthy()
    status.wrong = {"x": "the chain has no such feed"}
    assert status.list_reasons(NOW_MS) == ["x: the chain has no such feed"]


def test_what_others_stand_in_for_is_only_a_warning() -> None:
    status = healthy()
    status.readings.sources["a"].fail(SourceFault(FaultKind.STATUS, "status 500"), NOW_MS)
    status.readings.sources["b"].refuse(KEY, SourceFault(FaultKind.OUTLIER, "9 against 5"), NOW_MS)
    status.skew_ms, status.key_differs, status.fault = -6_000, True, Fault("lying")
    assert status.list_reasons(NOW_MS) == []
    assert status.list_warnings() == [
        "source a: status: status 500",
        "source b: outlier: 9 against 5",
        "own clock and chain differ by -6000 ms",
        "the chain has another oracle key of this provider",
        "plays a fault on purpose: lying",
    ]
    status.readings.sources["b"].refuse(KEY, None, NOW_MS)
    assert "source b: outlier: 9 against 5" not in status.list_warnings()


def test_a_fault_of_measuring_is_not_taken_away_by_the_rules_of_the_feed() -> None:
    source = healthy().readings.sources["a"]
    source.take(Poll({KEY: SourceFault(FaultKind.MISSING, "nothing at /price")}), NOW_MS)
    source.refuse(KEY, None, NOW_MS)
    assert source.faults[KEY].kind is FaultKind.MISSING


@pytest.mark.net
async def test_the_pages_tell_health_and_metrics() -> None:
    status, metrics, clock = healthy(), Metrics(["a", "b"], [KEY]), HandClock()
    async with (
        serve_pages(status, metrics, clock, "127.0.0.1", 0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        async with session.get("/health") as response:
            told = await response.json()
            assert (response.status, told["healthy"], told["reasons"]) == (200, True, [])
            assert told["feeds"][KEY]["round"] == ROUND
            assert told["provider"]["strikes"] == {"0": 2}
        status.node = None
        async with session.get("/health") as response:
            assert response.status == 503
            assert (await response.json())["reasons"]
        async with session.get("/metrics") as response:
            families = {one.name: one for one in text_string_to_metric_families(await response.text())}
        async with session.get("/") as response:
            assert response.status == 404
    assert families["loam_gateway_healthy"].samples[0].value == 0
    assert families["loam_gateway_strikes"].samples[0].value == 2
    assert {one.labels["source"] for one in families["loam_gateway_source_up"].samples} == {"a", "b"}


def test_metrics_have_a_series_for_each_fault_before_it_happens() -> None:
    metrics = Metrics(["a"], [KEY])
    found = {
        sample.labels["kind"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "loam_gateway_source_faults_total"
    }
    assert found == {kind.value for kind in FaultKind}
