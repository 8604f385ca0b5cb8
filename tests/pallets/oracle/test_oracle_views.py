"""The runtime API and the freshness of a feed, as clients read them, and what `try_state` finds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec import structs

from node.rpc.groups.runtime import add_runtime_methods
from node.rpc.methods import Method, Methods, bind
from pallets.oracle.oracle import Oracle
from pallets.oracle.types import KEY_BYTES_MAX, Expiry, Quality, RawAnswer
from runtime.frame.api import PAGE_MAX, UnknownApi
from runtime.frame.dispatch import ROOT
from runtime.frame.oracle_api import FeedState, FeedView, FreshnessView, ProviderView, RoundView
from runtime.primitives.scale import codec, u32, u64
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE
from tests.support.oracle import (
    BOND,
    ENDPOINTS,
    PRICE,
    PRICE_KEY,
    PROVIDERS,
    RULES,
    Panel,
    statement_key,
)

HONEST = {ALICE: 45_000, BOB: 45_100, CHARLIE: 45_200}


def ask(panel: Panel, name: str, result: Any, *arguments: tuple[Any, Any]) -> Any:
    data = b"".join(codec(annotation).encode(value) for annotation, value in arguments)
    return codec(result).decode(panel.chain.api.call(f"OracleApi_{name}", data))


def ask_feed(panel: Panel, key: bytes = PRICE_KEY) -> FeedView:
    found = ask(panel, "feed", FeedView | None, (str, key.decode()))
    assert isinstance(found, FeedView)
    return found


def ask_freshness(panel: Panel) -> FreshnessView:
    found = ask(panel, "freshness", FreshnessView | None, (str, PRICE_KEY.decode()))
    assert isinstance(found, FreshnessView)
    return found


def test_feed_is_shown_with_its_value(panel: Panel) -> None:
    before = ask_feed(panel)
    assert (before.state, before.latest, before.consistency_permille) == (FeedState.Insufficient, None, None)
    value = panel.agree(*HONEST.values())
    view = ask_feed(panel)
    assert (view.feed, view.key, view.unit, view.decimals) == (
        PRICE,
        "price/energy",
        "THB/kWh",
        RULES.decimals,
    )
    assert (view.state, view.is_paused, view.consistency_permille) == (FeedState.Fresh, False, 996)
    assert view.latest == RoundView(
        value.round, 45_100, 200, 3, value.oldest_ms, value.oldest_ms, value.last_ms
    )
    panel.chain.next_block(20)
    assert ask_feed(panel).state is FeedState.Stale
    assert ask(panel, "feed", FeedView | None, (str, "none")) is None


def test_paused_feed_is_shown_so(panel: Panel) -> None:
    panel.agree(*HONEST.values())
    panel.chain.ok(ROOT, "Oracle.pause_feed", PRICE)
    view = ask_feed(panel)
    assert (view.is_paused, view.state) == (True, FeedState.Insufficient)


def test_feeds_are_listed_in_pages(panel: Panel) -> None:
    def page(after: int | None, limit: int) -> list[str]:
        views = ask(panel, "feeds", tuple[FeedView, ...], (u32 | None, after), (u32, limit))
        return [view.key for view in views]

    assert page(None, 10) == ["price/energy", "load/grid"]
    assert page(None, 1) == ["price/energy"]
    assert page(0, 1) == ["load/grid"]
    assert page(1, 1) == page((1 << 32) - 1, 10) == page(None, 0) == []


def test_history_is_listed_in_pages_the_newest_first(panel: Panel) -> None:
    first = panel.round
    for step in range(3):
        panel.agree(45_000 + step, 45_000 + step, 45_000 + step)
        panel.next_round()

    def page(before: int | None, limit: int) -> list[tuple[int, int]]:
        views = ask(
            panel,
            "history",
            tuple[RoundView, ...],
            (str, PRICE_KEY.decode()),
            (u64 | None, before),
            (u32, limit),
        )
        return [(view.round - first, view.value) for view in views]

    assert page(None, 9) == [(2, 45_002), (1, 45_001), (0, 45_000)]
    assert page(None, 2) == [(2, 45_002), (1, 45_001)]
    assert page(first + 1, 2) == [(0, 45_000)]
    assert page(first, 2) == page(0, 9) == page(None, 0) == []
    assert page((1 << 64) - 1, 1) == [(2, 45_002)]
    assert ask(panel, "history", tuple[RoundView, ...], (str, "x"), (u64 | None, None), (u32, 9)) == ()


def test_page_of_history_has_so_many_rounds_and_not_more(panel: Panel) -> None:
    value = panel.agree(1, 1, 1)
    for ago in range(1, PAGE_MAX + 2):
        number = value.round - ago
        panel.oracle.history.put(PRICE, number % 360, structs.replace(value, round=number))
    found = ask(
        panel, "history", tuple[RoundView, ...], (str, PRICE_KEY.decode()), (u64 | None, None), (u32, 1_000)
    )
    assert len(found) == PAGE_MAX


def test_provider_is_shown_with_its_quality(panel: Panel) -> None:
    panel.answer(HONEST)
    panel.next_round()
    panel.chain.next_block()
    view = ask(panel, "quality", ProviderView | None, (AccountId, ALICE))
    assert isinstance(view, ProviderView)
    assert (view.key, view.endpoints, view.bond) == (statement_key(ALICE).public, ENDPOINTS, BOND)
    assert (view.score, view.expected) == (1_000, 1)
    assert ask(panel, "quality", ProviderView | None, (AccountId, EVE)) is None
    assert ask(panel, "providers", tuple[AccountId, ...]) == tuple(sorted(PROVIDERS))


def test_key_that_is_no_text_is_shown_as_well_as_can_be(panel: Panel) -> None:
    panel.chain.ok(ROOT, "Oracle.set_feed", b"\xff/1", RULES)
    views = ask(panel, "feeds", tuple[FeedView, ...], (u32 | None, 1), (u32, 1))
    assert [view.key for view in views] == ["\ufffd/1"]


class Head:
    """The chain of these tests as the RPC server sees one."""

    def __init__(self, panel: Panel) -> None:
        self.properties = {"ss58Format": 42}
        self.chain: Any = self
        self.api: Any = panel.chain.api

    def on_best(self, _heard: Any) -> None: ...

    @contextmanager
    def runtime(self, _at: bytes | None) -> Iterator[Any]:
        yield self.api


def test_node_offers_the_functions_by_json_rpc(panel: Panel) -> None:
    methods, head = Methods(), Head(panel)
    context: Any = head
    add_runtime_methods(methods, context)
    names = ("feed", "feeds", "freshness", "history", "providers", "quality")
    subscription = ("subscribeFeed", "unsubscribeFeed")
    assert methods.names() == [f"oracle_{name}" for name in (*names, *subscription)]
    panel.agree(*HONEST.values())

    def call(name: str, *params: Any) -> Any:
        found = methods.find(f"oracle_{name}")
        assert isinstance(found, Method)
        return found.handler(*bind(found, list(params)))

    feed = call("feed", "price/energy")
    assert (feed["unit"], feed["state"], feed["latest"]["value"]) == ("THB/kWh", "Fresh", "45100")
    assert call("feeds", None, 5)[0] == feed
    assert [view["value"] for view in call("history", "price/energy", None, 5)] == ["45100"]
    assert call("freshness", "price/energy")["windows"] == 360
    assert call("quality", call("providers")[0])["bond"] == str(BOND)


@pytest.mark.parametrize("key", ["x" * (KEY_BYTES_MAX + 1), "ü" * KEY_BYTES_MAX])
def test_key_that_no_feed_can_have_is_none(panel: Panel, key: str) -> None:
    assert ask(panel, "feed", FeedView | None, (str, key)) is None
    assert ask(panel, "freshness", FreshnessView | None, (str, key)) is None
    assert ask(panel, "history", tuple[RoundView, ...], (str, key), (u64 | None, None), (u32, 9)) == ()


def test_unknown_function_is_none_of_the_api(panel: Panel) -> None:
    with pytest.raises(UnknownApi):
        panel.chain.api.call("OracleApi_price", b"")


def test_freshness_counts_the_windows_at_whose_end_there_was_a_value(panel: Panel) -> None:
    assert ask_freshness(panel) == FreshnessView(0, 360, 0, meets_target=False)
    for is_answered in (True, True, False, True):
        panel.chain.next_block()
        if is_answered:
            panel.agree(*HONEST.values())
        panel.next_round()
    assert ask_freshness(panel) == FreshnessView(3, 360, 8, meets_target=False)
    assert ask(panel, "freshness", FreshnessView | None, (str, "none")) is None


def test_feed_with_a_value_in_342_of_360_windows_meets_the_target(panel: Panel) -> None:
    value = panel.agree(*HONEST.values())
    panel.next_round()

    def fill(count: int) -> FreshnessView:
        for ago in range(1, 361):
            number = panel.round - ago
            moment = number * RULES.heartbeat_ms + 5_000
            entry = structs.replace(value, round=number, first_ms=moment, last_ms=moment)
            if ago <= count:
                panel.oracle.history.put(PRICE, number % 360, entry)
            else:
                panel.oracle.history.remove(PRICE, number % 360)
        return ask_freshness(panel)

    assert not fill(341).meets_target
    assert fill(342).meets_target
    assert fill(342).permille == 950


@pytest.mark.parametrize(
    ("values", "permille"), [((0, 0, 0), 1_000), ((-100, -100, -104), 960), ((0, 0, 0, 0), 1_000)]
)
def test_consistency_is_a_whole_less_the_spread(panel: Panel, values: tuple[int, ...], permille: int) -> None:
    panel.chain.ok(ROOT, "Oracle.set_feed", PRICE_KEY, structs.replace(RULES, least=-(10**6)))
    panel.agree(*values)
    assert ask_feed(panel).consistency_permille == permille


def _unhold(oracle: Oracle) -> None:
    oracle.provider.put(ALICE, structs.replace(oracle.store.get_provider(ALICE), bond=BOND - 1))


def _number_feeds_badly(oracle: Oracle) -> None:
    oracle.feed_count.put(3)


FAULTS: dict[str, Callable[[Oracle], None]] = {
    "order": lambda oracle: oracle.members.put(oracle.members.get()[::-1]),
    "providers": lambda oracle: oracle.members.put(oracle.members.get()[1:]),
    "holds": _unhold,
    "quality": lambda oracle: oracle.quality.put(ALICE, Quality(1, 1, 1, 1, 1)),
    "stranger": lambda oracle: oracle.raw.put(PRICE, EVE, RawAnswer(1, 1, 1)),
    "numbered": _number_feeds_badly,
    "key": lambda oracle: oracle.feed_of.remove(PRICE_KEY),
    "place": lambda oracle: oracle.history.put(PRICE, 7, structs.replace(_value(oracle), round=8)),
    "out of order": lambda oracle: oracle.stale_queue.put((Expiry(2, PRICE), Expiry(1, 1))),
    "twice": lambda oracle: oracle.stale_queue.put((Expiry(2, PRICE), Expiry(3, PRICE))),
    "without a value": lambda oracle: oracle.stale_queue.put((Expiry(2, 1),)),
}


def _value(oracle: Oracle) -> Any:
    return oracle.value.get(PRICE)


@pytest.mark.parametrize("fault", FAULTS)
def test_check_of_the_state_finds(fault: str) -> None:
    panel = Panel()
    panel.next_round()
    panel.answer({**HONEST, DAVE: 45_000})
    panel.next_round()
    panel.oracle.try_state()
    FAULTS[fault](panel.oracle)
    with pytest.raises(AssertionError):
        panel.oracle.try_state()
